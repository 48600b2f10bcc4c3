"""Deployments of a file: checked before anything starts, then registered with a Prefect server and run by a worker.

Prefect's `serve` would be less code, but its process holds torch for days (490 MB), and a run that hangs would occupy
its limit for ever; the work pool's limit is the server's, which an automation frees.
"""

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from prefect.automations import AutomationCore
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.states import Crashed
from pydantic import SecretStr, ValidationError

from flows.planning.experiment import load_experiment
from flows.services.access import secret
from flows.services.environment import child_environment
from flows.services.ghosts import UNFINISHED
from flows.services.prefect_api import recorded_by
from flows.services.process import Server, ServerFailed, running
from flows.services.servers import DEPLOYMENTS, POOL, worker
from vocabsem.errors import BadInput, CardError
from warehouse.home import Home

AUTOMATIONS = Path(__file__).with_name("automations.yaml")
WEBHOOK = "vocabsem"  # name of the block that keeps the address
SCHEDULES = {"cron": CronSchedule, "interval": IntervalSchedule, "rrule": RRuleSchedule}
SCHEDULE_KEYS = (*SCHEDULES, "timezone", "anchor_date", "day_or")


class ScheduleError(BadInput):
    """A deployment that cannot run, or a schedule that never fires."""


def check_deployments(file: Path) -> list[str]:
    """Return when each schedule of the file fires next, a line each. Raises ScheduleError for what would never run."""
    lines = []
    for deployment in _read(file):
        where = f"deployment {deployment.get('name')!r} of {file}"
        defaults = deployment.get("parameters") or {}
        _check_card(where, defaults)
        for schedule in deployment.get("schedules") or []:
            when = next_run(where, schedule)
            parameters = defaults | (schedule.get("parameters") or {})
            _check_card(where, parameters)
            title = " ".join(filter(None, [deployment["name"], parameters.get("experiment")]))
            paused = "" if schedule.get("active", True) else ", paused"
            lines.append(f"  {title}: next {when:%Y-%m-%d %H:%M %Z}{paused}")
    return lines


def check_webhook(webhook: str) -> None:
    """Raise BadInput for what is neither an address nor TYPE/NAME, as a block is named."""
    if "/" not in webhook:
        raise _no_webhook(webhook)


def next_run(where: str, schedule: Any) -> datetime:
    """Return when a schedule fires next. Raises ScheduleError if it is no schedule or never fires."""
    times = {k: schedule[k] for k in SCHEDULE_KEYS if schedule.get(k) is not None} if isinstance(schedule, dict) else {}
    kind = next((SCHEDULES[key] for key in SCHEDULES if key in times), None)
    if kind is None:
        raise ScheduleError(f"{where}: {schedule!r} is no schedule: give cron, interval or rrule")
    try:
        parsed: Any = kind(**times)
        dates = asyncio.run(parsed.get_dates(1))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ScheduleError(f"{where}: {times} is no schedule: {reason}") from None
    except ValueError:  # croniter, when no year has such a day
        dates = []
    if not dates:
        raise ScheduleError(f"{where}: {times} never fires: no day is like that; fix the schedule, or remove it")
    first: datetime = dates[0]
    return first


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))  # Prefect reads it too, with merge keys
    except OSError as error:
        raise ScheduleError(f"{file} cannot be read ({error.strerror}): give a file like {DEPLOYMENTS}") from None
    except UnicodeDecodeError:
        raise ScheduleError(f"{file} is not UTF-8 text: give a file like {DEPLOYMENTS}") from None
    except yaml.YAMLError as error:
        raise ScheduleError(f"{file} is not YAML: {error}") from None
    entries = content.get("deployments") if isinstance(content, dict) else None
    if not entries or not all(isinstance(one, dict) and one.get("name") and one.get("entrypoint") for one in entries):
        raise ScheduleError(f"{file} has no deployments with a name and an entrypoint: see {DEPLOYMENTS}")
    return list(entries)


def _check_card(where: str, parameters: dict[str, Any]) -> None:
    if name := parameters.get("experiment"):
        try:
            load_experiment(name, parameters.get("overrides"))
        except CardError as error:
            raise ScheduleError(f"{where}: {error}") from None


@contextlib.contextmanager
def worker_running(
    home: Home, file: Path, webhook: str | None, api: str, stopping: threading.Event
) -> Iterator[list[Server]]:
    """Register the file's deployments with the server at `api`, and run a worker for the time of the block.

    What the server knows already is updated. Runs that a killed worker left as running are marked as crashed.
    Raises BadInput for a webhook that is none, ServerFailed if Prefect refuses the deployments.
    """
    with recorded_by(api, secret(home)), get_client(sync_client=True) as client:
        with contextlib.suppress(ObjectAlreadyExists):  # then its limit stays, which a user may have changed
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process", concurrency_limit=1))
        crash_unfinished(client)
        put_automations(client, webhook)
    process = worker(home, api)
    process.log.unlink(missing_ok=True)
    with running(process):
        _deploy(home, api, file)
        process.wait_until_healthy(stopping)
        yield [process]


def crash_unfinished(client: SyncPrefectClient) -> None:
    """Mark the runs of the pool that have not ended as crashed: they would occupy it for ever."""
    pool = WorkPoolFilter.model_validate({"name": {"any_": [POOL]}})
    state: Any = Crashed(message="Its worker was killed. Run it again: it resumes.")
    for run in client.read_flow_runs(work_pool_filter=pool, flow_run_filter=FlowRunFilter.model_validate(UNFINISHED)):
        client.set_flow_run_state(run.id, state, force=True)


def _deploy(home: Home, api: str, file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
        env=child_environment(home) | {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": secret(home)},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C in the terminal is for `vocabsem up`
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise ServerFailed(f"the deployments of {file} were refused: {' '.join(lines[-3:])}")


def put_automations(client: SyncPrefectClient, webhook: str | None) -> None:
    """Create or update the automations of `automations.yaml`; without `webhook` those that notify stay as they are.

    webhook: an address, or TYPE/NAME of a block that Prefect keeps. Raises BadInput.
    """
    kind, block = _block(client, webhook) if webhook else ("", None)
    for entry in yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8")):
        sending = [action for action in entry["actions"] if "block_document_id" in action]
        if sending and not webhook:
            continue
        if sending:
            wanted = "call-webhook" if kind == "webhook" else "send-notification"
            entry["actions"] = [one | {"block_document_id": block} for one in sending if one["type"] == wanted]
        _put(client, AutomationCore.model_validate(entry))


def _block(client: SyncPrefectClient, webhook: str) -> tuple[str, Any]:
    """Return type and id of the block: the named one, or one made for the address."""
    if webhook.startswith(("http://", "https://")):
        headers: Any = {"content-type": "application/json"}
        return "webhook", Webhook(url=SecretStr(webhook), headers=headers).save(WEBHOOK, overwrite=True)
    check_webhook(webhook)
    kind, _, name = webhook.partition("/")
    with contextlib.suppress(ObjectNotFound):
        return kind, client.read_block_document_by_name(name, kind).id
    raise _no_webhook(webhook)


def _no_webhook(webhook: str) -> BadInput:
    return BadInput(
        f"--webhook {webhook!r} is no address and no block of this home's Prefect: give http://…, or TYPE/NAME as"
        " `prefect block ls` shows it"
    )


def _put(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """Leave one that is as it should be: an update makes it forget the heartbeats that it has seen."""
    for known in client.read_automations_by_name(automation.name):
        wanted = automation.model_copy(update={"enabled": known.enabled})  # a user may have switched it off
        if known.model_dump(exclude={"id"}) != wanted.model_dump():
            client.update_automation(known.id, wanted)
        return
    client.create_automation(automation)
