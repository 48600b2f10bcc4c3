"""`python -m flows.anchors CARD`: the semantic anchors of an experiment's models."""

from typing import Any

from prefect import flow

from flows.stages import opened, raise_refusals, solve_anchors


@flow(name="anchors", log_prints=True)
def anchors(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Solve the anchors of every model of the card. Returns the keys of their partitions. Raises CheckFailed.

    Args:
        experiment: Name in data/experiments, or the path of a card.
        overrides: Keys of the card, dotted, with new values.
        home: Where data rests; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    plan = opened(experiment, overrides, home, data_dir)
    keys = solve_anchors(plan)
    raise_refusals(plan, "anchors")
    return keys


if __name__ == "__main__":
    from flows.cli import main

    main("anchors")
