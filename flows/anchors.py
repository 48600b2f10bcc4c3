"""Semantic anchors of an experiment's models."""

from typing import Any

from prefect import flow

from flows.execution.flow_run import run_name
from flows.execution.opening import plan_from_parameters
from flows.execution.stages import raise_refusals, solve_anchors
from flows.execution.workers import started


@flow(name="anchors", flow_run_name=run_name, log_prints=True)
def anchors(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Solve the anchors of every model of the card. Returns the keys of their partitions. Raises CheckFailed.

    Args:
        experiment: Name of an experiment card, or its path.
        overrides: Keys of the card, dotted, with new values.
        home: Folder of all data; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    plan = plan_from_parameters(experiment, overrides, home, data_dir)
    with started(plan):
        keys = solve_anchors(plan)
    raise_refusals(plan, "anchors")
    return keys
