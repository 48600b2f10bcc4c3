"""`python -m flows.evaluate CARD`: score the stored predictions of an experiment and bring the warehouse up to date."""

from typing import Any

from prefect import flow

from flows.stages import opened, raise_refusals, require, score_methods
from tasks.catalog import rebuild_catalog


@flow(name="evaluate", log_prints=True)
def evaluate(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Metrics with intervals. Returns their keys. Raises NotPublished where predictions are missing,
    CheckFailed where what they read was refused, when all else is done.

    Args:
        experiment: Name in data/experiments, or the path of a card.
        overrides: Keys of the card, dotted, with new values.
        home: Where data rests; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    plan = opened(experiment, overrides, home, data_dir)
    require(plan, "predictions")
    keys = score_methods(plan)
    rebuild_catalog(plan.home)
    raise_refusals(plan)
    return keys


if __name__ == "__main__":
    from flows.cli import main

    main("evaluate")
