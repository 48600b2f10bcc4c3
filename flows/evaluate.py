"""Metrics of an experiment's stored predictions."""

from typing import Any

from prefect import flow

from flows.execution.flow_run import run_name
from flows.execution.opening import plan_from_parameters
from flows.execution.stages import check_published, raise_refusals, score_methods
from flows.execution.workers import started
from tasks.catalog import update_catalog


@flow(name="evaluate", flow_run_name=run_name, log_prints=True)
def evaluate(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Score the predictions and bring the catalog up to date. Returns the keys of the metrics.

    Raises NotPublished where predictions are missing, CheckFailed where what they read was refused, when all else is
    done.

    Args:
        experiment: Name of an experiment card, or its path.
        overrides: Keys of the card, dotted, with new values.
        home: Folder of all data; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    plan = plan_from_parameters(experiment, overrides, home, data_dir)
    check_published(plan, "predictions")
    with started(plan):
        keys = score_methods(plan)
    update_catalog.submit(plan.home).result()
    raise_refusals(plan)
    return keys
