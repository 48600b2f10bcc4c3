"""Deployments from a file: seen to be possible, then registered with a Prefect server, again and again alike."""

import asyncio
import contextlib
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectAlreadyExists
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.states import Crashed
from pydantic import ValidationError

from flows.planning.experiment import load_experiment
from flows.services.automations import automate
from flows.services.environment import child_environment
from flows.services.prefect_api import recorded_by
from flows.services.process import ServerFailed
from flows.services.servers import DEPLOYMENTS, POOL
from vocabsem.errors import BadInput, CardError
from warehouse.home import Home

COMPUTE = "compute"  # the queue of what loads models: one run at a time
KINDS = {"cron": CronSchedule, "interval": IntervalSchedule, "rrule": RRuleSchedule}
ALIVE = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
TIMES = (*KINDS, "timezone", "anchor_date", "day_or")


class ScheduleError(BadInput):
    """A deployment that cannot run, or a schedule that never fires."""


def checked(file: Path) -> list[str]:
    """When each schedule of the file fires next, a line each. Raises ScheduleError for what would never run."""
    lines = []
    for deployment in _read(file):
        place = f"deployment {deployment.get('name')!r} of {file}"
        _check_cards(place, deployment.get("parameters") or {})
        for schedule in deployment.get("schedules") or []:
            when = next_run(place, schedule)
            asked = (deployment.get("parameters") or {}) | (schedule.get("parameters") or {})
            _check_cards(place, asked)
            cards = filter(None, [asked.get("experiment"), *(asked.get("experiments") or [])])
            idle = "" if schedule.get("active", True) else ", paused"
            lines.append(f"  {' '.join([deployment['name'], *cards])}: next {when:%Y-%m-%d %H:%M %Z}{idle}")
    return lines


def next_run(place: str, schedule: dict[str, Any]) -> datetime:
    """When it fires next. Raises ScheduleError if it is no schedule or never fires."""
    times = {key: schedule[key] for key in TIMES if schedule.get(key) is not None} if isinstance(schedule, dict) else {}
    kind = next((KINDS[key] for key in KINDS if key in times), None)
    if kind is None:
        raise ScheduleError(f"{place}: {schedule!r} is no schedule: give cron, interval or rrule")
    try:
        parsed: Any = kind(**times)
        dates = asyncio.run(parsed.get_dates(1))
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ScheduleError(f"{place}: {times} is no schedule: {said}") from None
    except ValueError:  # croniter, when no year has such a day
        dates = []
    if not dates:
        raise ScheduleError(f"{place}: {times} never fires: no day is like that; mend the schedule, or remove it")
    return dates[0]


def make_pool(api: str) -> None:
    """The work pool, unless it is there: a worker and a deployment both need it. A limit that a user changed stays.

    Runs that a killed worker left as running are crashed: they would keep their place in the queue for ever.
    """
    with recorded_by(api), get_client(sync_client=True) as client:
        with contextlib.suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        with contextlib.suppress(ObjectAlreadyExists):
            client.create_work_queue(COMPUTE, concurrency_limit=1, work_pool_name=POOL)
        ours = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))
        alive = FlowRunFilterState(type=FlowRunFilterStateType(any_=ALIVE))
        for run in client.read_flow_runs(work_pool_filter=ours, flow_run_filter=FlowRunFilter(state=alive)):
            client.set_flow_run_state(run.id, Crashed(message="Its worker was killed. Run it again: it goes on."), True)


def register(home: Home, api: str, file: Path, webhook: str | None) -> None:
    """Make the server at `api` know the deployments and the automations; what it knows already is brought up to date.

    Raises ServerFailed with what Prefect said, BadInput for a webhook that is none.
    """
    with recorded_by(api), get_client(sync_client=True) as client:
        automate(client, webhook)
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
        cwd=DEPLOYMENTS.parent,  # Prefect notes this folder: the worker runs the flows there
        env=child_environment(home) | {"PREFECT_API_URL": api},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C in the terminal is for `vocabsem up`
    )
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise ServerFailed(f"the deployments of {file} were refused: {' '.join(said[-3:])}")


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScheduleError(f"{file} cannot be read ({error.strerror}): give a file like {DEPLOYMENTS}") from None
    except yaml.YAMLError as error:
        raise ScheduleError(f"{file} is not YAML: {error}") from None
    found = content.get("deployments") if isinstance(content, dict) else None
    if not found or not all(isinstance(one, dict) and one.get("name") and one.get("entrypoint") for one in found):
        raise ScheduleError(f"{file} has no deployments with a name and an entrypoint: see {DEPLOYMENTS}")
    return found


def _check_cards(place: str, parameters: dict[str, Any]) -> None:
    for name in filter(None, [parameters.get("experiment"), *(parameters.get("experiments") or [])]):
        try:
            load_experiment(name, parameters.get("overrides"))
        except CardError as error:
            raise ScheduleError(f"{place}: {error}") from None
