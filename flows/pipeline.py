"""The main job, from a card to the leaderboard."""

import time
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows.execution.artifacts import show, show_checks
from flows.execution.events import emit_champion_events
from flows.execution.failures import StepsFailed, collect_failures, report_failures
from flows.execution.opening import plan_from_parameters
from flows.execution.stages import (
    build_datasets,
    extract_states,
    fit_methods,
    raise_refusals,
    score_methods,
    solve_anchors,
)
from flows.reporting.report import report
from tasks.catalog import update_catalog
from tasks.record import record_run
from tasks.tracking.runs import log_page
from tasks.tracking.system_metrics import watching
from warehouse.errors import CheckFailed

STAGES = (build_datasets, extract_states, solve_anchors, fit_methods, score_methods)


@flow(name="pipeline", log_prints=True)
def pipeline(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
    keep_going: bool = False,
) -> str:
    """Compute whatever of the experiment is missing, track it in MLflow and show it. Returns the key of the run.

    Sources of data sets that can change are looked at first: what reads a changed one is computed anew.

    Args:
        experiment: Name in data/experiments, or the path of a card.
        overrides: Keys of the card, dotted, with new values.
        home: Where data rests; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
        keep_going: After an error, compute whatever does not need what failed. The run is recorded once nothing fails.
    """
    began = time.time()
    with collect_failures(keep_going) as failures:
        plan = plan_from_parameters(experiment, overrides, home, data_dir, refresh=True)
        if plan.done:
            get_run_logger().info("everything is published, nothing to do")
        else:
            with watching() as watch:
                for stage in STAGES:
                    stage(plan)
    if failures or not plan.done:
        try:
            report_failures(plan, failures)
            raise_refusals(plan)
        except (StepsFailed, CheckFailed) as error:
            update_catalog.submit(plan.home).result()
            show_checks(plan, error if isinstance(error, CheckFailed) else None)
            raise
        if not plan.published(plan.run):
            card = plan.experiment.model_dump(mode="json")
            recorded = record_run.submit(plan.home, card, plan.fits, plan.run, began, flow_run.id, watch.samples)
            run_id = recorded.result()
            update_catalog.submit(plan.home).result()
            emit_champion_events(plan)
            log_page(plan.home, run_id, report(plan.home, plan.experiment.name, html=True))
    show(plan)
    show_checks(plan)
    return plan.run.key
