"""The main job, from a card to the leaderboard."""

import time
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows.execution.activity import activity
from flows.execution.artifacts import create_artifacts, show_checks
from flows.execution.events import emit_champion_events
from flows.execution.failures import StepsFailed, collect_failures, report_failures
from flows.execution.flow_run import run_name
from flows.execution.opening import plan_from_parameters
from flows.execution.stages import (
    build_datasets,
    extract_states,
    fit_methods,
    raise_refusals,
    score_methods,
    solve_anchors,
)
from flows.execution.turns import turn
from flows.execution.workers import started
from flows.planning.plan import Plan
from flows.reporting.report import report
from tasks.catalog import update_catalog
from tasks.log_run import log_run
from tasks.record import record_run
from tasks.steps.facts import RunFacts, facts_of
from tasks.tracking.active_run import active_run
from tasks.tracking.outcome import followed_up
from tasks.tracking.runs import log_page
from vocabsem.datasets.shots import shots_text
from warehouse.errors import CheckFailed

STAGES = (build_datasets, extract_states, solve_anchors, fit_methods, score_methods)


@flow(name="pipeline", flow_run_name=run_name, log_prints=True)
def pipeline(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
    keep_going: bool = False,
) -> str:
    """Compute whatever of the experiment is missing, track it in MLflow and show it. Returns the key of the run.

    Sources of data sets that can change are checked first; steps that read a changed one are recomputed.

    Args:
        experiment: Name of an experiment card, or its path.
        overrides: Keys of the card, dotted, with new values.
        home: Folder of all data; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
        keep_going: After an error, compute whatever does not need what failed. The run is recorded once nothing fails.
    """
    with collect_failures(keep_going) as failures:
        plan = plan_from_parameters(experiment, overrides, home, data_dir, refresh=True)
        with turn(plan.home, [plan.run], f"experiment {plan.experiment.name!r}"):
            _run(plan, failures)
    show_checks(plan)
    create_artifacts(plan)
    return plan.run.key


def _run(plan: Plan, failures: list[dict[str, Any]]) -> None:
    """Compute the missing steps of the run, as its only process."""
    if plan.done:
        get_run_logger().info("everything is published, nothing to do")
        report_failures(plan, failures)
        return
    with started(plan):
        if plan.published(plan.run) and followed_up(plan.home, plan.run.key):
            _compute(plan, failures)  # what was removed since
            update_catalog.submit(plan.home).result()
        else:
            _compute_and_record(plan, failures)


def _compute_and_record(plan: Plan, failures: list[dict[str, Any]]) -> None:
    """Compute what is missing and publish the record; then all that follows from it, which a later run completes."""
    began = time.time()
    home, run, experiment = plan.home, plan.run, plan.experiment
    card, flow_run_id = experiment.model_dump(mode="json"), flow_run.id or ""
    record = run.partition(plan.lake).manifest() if plan.published(run) else None
    resumed = facts_of(record, RunFacts).mlflow_run_id if record else None
    with active_run(home, card, run.key, resumed, flow_run_id) as run_id:
        get_run_logger().info(f"tracked as run {run_id} of the MLflow experiment {experiment.name}")
        _compute(plan, failures)
        if record is None:
            unlabeled = [spec.name for spec in experiment.methods if spec.learns_from_unlabeled]
            because = unlabeled, plan.left_out, plan.chosen
            record_run.submit(home, card, run, began, flow_run_id, run_id, *because).result()
        update_catalog.submit(home).result()
        with activity("logging the run to MLflow"):
            logged = log_run.submit(home, plan.fits, run.key, run_id, experiment.shard_rows, experiment.champion)
            registered = logged.result()
        with activity("writing the report"):
            log_page(home, run_id, report(home, experiment.name, html=True))
        for model in registered:
            get_run_logger().info(f"{model.model}: {model.method} at {shots_text(model.shots)}, {model.why}")
        emit_champion_events(experiment.name, run.key, registered)


def _compute(plan: Plan, failures: list[dict[str, Any]]) -> None:
    """Run every stage. Raises StepsFailed or CheckFailed for what failed, when all else is done."""
    for stage in STAGES:
        stage(plan)
    try:
        report_failures(plan, failures)
        raise_refusals(plan)
    except (StepsFailed, CheckFailed) as error:
        update_catalog.submit(plan.home).result()
        show_checks(plan, error if isinstance(error, CheckFailed) else None)
        raise
