"""`python -m flows.extract CARD`: examples and hidden states of an experiment."""

from typing import Any

from prefect import flow

from flows.stages import build_sets, extract_states, opened


@flow(name="extract", log_prints=True)
def extract(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Store the hidden states of every model on every data set of the card. Returns the keys of their partitions."""
    plan = opened(experiment, overrides, home, data_dir)
    build_sets(plan)
    return extract_states(plan)


if __name__ == "__main__":
    from flows.cli import main

    main("extract")
