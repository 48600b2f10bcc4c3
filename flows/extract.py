"""`python -m flows.extract CARD`: examples and hidden states of an experiment."""

from typing import Any

from prefect import flow

from flows.stages import build_sets, extract_states, opened, raise_refusals


@flow(name="extract", log_prints=True)
def extract(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Store the hidden states of every model on every data set of the card. Returns the keys of their partitions.
    Raises CheckFailed, when all else is done.

    Args:
        experiment: Name in data/experiments, or the path of a card.
        overrides: Keys of the card, dotted, with new values.
        home: Where data rests; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    plan = opened(experiment, overrides, home, data_dir)
    build_sets(plan)
    keys = extract_states(plan)
    raise_refusals(plan, "examples", "states")
    return keys


if __name__ == "__main__":
    from flows.cli import main

    main("extract")
