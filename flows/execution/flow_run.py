"""How a flow run appears on Prefect's pages: its name, its tags, the stages in its log."""

import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from itertools import filterfalse
from pathlib import Path

from prefect import get_run_logger
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from flows.execution.terminal import error_console
from flows.planning.plan import Plan

MINUTE = "%Y-%m-%d %H:%M"
SUBJECTS = ("experiment", "study", "input")  # parameters that say what a run is about, a card or a file

Stage = Callable[[Plan], list[str]]


def run_name() -> str:
    """Return the name of the current flow run: its card or file, or else its flow, and the time."""
    parameters = flow_run.parameters
    about = next((str(parameters[name]) for name in SUBJECTS if name in parameters), flow_run.flow_name)
    about = (parameters.get("overrides") or {}).get("name") or Path(about).stem
    return time.strftime(f"{about} {MINUTE}")


def tag_run(plan: Plan) -> None:
    """Tag the current flow run with its experiment, models and data sets, beside the tags it has."""
    context = FlowRunContext.get()
    if context and context.flow_run:
        pairs = [name for pair in plan.pairs for name in (pair.model.name, pair.dataset.name)]
        tags = {*context.flow_run.tags, plan.experiment.name, *pairs}
        context.client.update_flow_run(context.flow_run.id, tags=tags)


def print_address(_flow: object, run: FlowRun, _state: object) -> None:
    """Print where Prefect shows a run, as its `on_running` hook."""
    error_console().print(f"Prefect: {url_for(run)}")


def logged(*kinds: str) -> Callable[[Stage], Stage]:
    """Log what a stage that makes partitions of these kinds has to do, and how long it took."""

    def decorate(stage: Stage) -> Stage:
        @wraps(stage)
        def run(plan: Plan) -> list[str]:
            logger, began = get_run_logger(), time.monotonic()
            steps = [step for step in plan.steps() if step.kind in kinds]
            every, missing = (
                Counter(step.kind for step in each) for each in (steps, filterfalse(plan.published, steps))
            )
            counts = ", ".join(f"{missing[kind]} of {every[kind]} {kind}" for kind in kinds if every[kind])
            logger.info(f"{stage.__name__}: {counts or 'nothing'} to compute")
            keys = stage(plan)
            logger.info(f"{stage.__name__}: done in {time.monotonic() - began:.1f} s")
            return keys

        return run

    return decorate
