"""The record of a finished run, in the lake: its card, its metrics and comparisons by their keys, where and when."""

import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.steps.decorator import step_task
from tasks.steps.facts import ChosenLayer, ProtocolFacts, RunFacts
from tasks.steps.result_specs import RunSpec
from tasks.steps.step import Step
from tasks.tracking.runs import git_commit
from vocabsem.evaluation.protocol import card_deviations, protocol_of
from warehouse.home import Home
from warehouse.lake.partition import Lake


@step_task(task_run_name="record the run")
def record_run(
    home: Home,
    card: Mapping[str, Any],
    step: Step[RunSpec],
    began: float,
    flow_run: str,
    mlflow_run: str,
    unlabeled: Sequence[str],
    left_out: Sequence[tuple[str, str, str]] = (),
    chosen: Sequence[ChosenLayer] = (),
) -> str:
    """Publish the record of a run whose metrics and comparisons are all there. Returns its key.

    began: Unix time at which the run began. flow_run, mlflow_run: its ids in Prefect and in MLflow. unlabeled: methods
    that learn from training texts without labels. left_out: model or data set, method and reason of what was not run.
    chosen: what layers: auto took.
    """
    facts = RunFacts(
        experiment=card["name"],
        card=dict(card),
        started=datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - began, 3),
        mlflow_run_id=mlflow_run,
        prefect_flow_run_id=flow_run or None,
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        git_commit=git_commit(),
        unlabeled=tuple(unlabeled),
        left_out=tuple(left_out),
        chosen=tuple(chosen),
        protocol=ProtocolFacts(version=protocol_of(card), deviations=tuple(card_deviations(card))),
    )
    step.publish(Lake(home), [], facts)
    return step.key
