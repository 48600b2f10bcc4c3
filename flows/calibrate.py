"""Every method of an experiment, fitted on stored states."""

from typing import Any

from prefect import flow

from flows.execution.flow_run import run_name
from flows.execution.opening import plan_from_parameters
from flows.execution.stages import check_published, fit_methods, raise_refusals
from flows.execution.workers import started


@flow(name="calibrate", flow_run_name=run_name, log_prints=True)
def calibrate(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Fit and predict. Returns the keys of the predictions.

    Raises NotPublished where states or anchors are missing, CheckFailed where they were refused, when all else is done.

    Args:
        experiment: Name of an experiment card, or its path.
        overrides: Keys of the card, dotted, with new values.
        home: Folder of all data; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    plan = plan_from_parameters(experiment, overrides, home, data_dir)
    check_published(plan, "states", "word_scores", "anchors")
    with started(plan):
        keys = fit_methods(plan)
    raise_refusals(plan)
    return keys
