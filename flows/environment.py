"""Processes of a home: the variables that Prefect, MLflow and the hub's client read when they are imported, and which
Prefect server records their flows. Nothing slow is imported."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.home import Home


def variables(home: Home) -> dict[str, str]:
    """What `prepare` sets, unless the user did: state under the home, nothing reported to anyone, patient start-up."""
    return {
        "VOCABSEM_HOME": str(home.root),
        "PREFECT_HOME": str(home.prefect),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # DO_NOT_TRACK alone does not stop the server's heartbeat
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 20, the default, is missed on a busy small machine
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",  # or task runs are lost when the server stops
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
        # torch's idle threads spin for some microseconds, then sleep. Spinning on, as they would, slows a shared
        # machine several times; sleeping at once makes every small operation of a model two to four times slower.
        "GOMP_SPINCOUNT": "2000",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow takes DO_NOT_TRACK=1, which a user may have set, for no answer
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def environment(home: Home) -> dict[str, str]:
    """This process's environment as processes of `home` should have it.

    A variable that the user set is kept. One that `prepare` set before, here or in a parent process, follows the new
    home: it is known by its value, which is what the home in VOCABSEM_HOME gives.
    """
    earlier = variables(Home.find())
    ours = {name for name, value in earlier.items() if os.environ.get(name, value) == value} | {"VOCABSEM_HOME"}
    return dict(os.environ) | {name: value for name, value in variables(home).items() if name in ours}


def prepare(home: str | Path | None = None) -> Home:
    """Make the environment of this process that of `home`, and return the home. Call it before Prefect is imported."""
    found = Home.find(home)
    os.environ.update(environment(found))
    return found


@contextmanager
def in_process(home: Home) -> Iterator[str]:
    """Flows called in this block run in this process; yields the address of the Prefect API that records them.

    That is the user's (PREFECT_API_URL), else that of `vocabsem up`, else a server for the time of the block.
    No heartbeat is sent: the process itself shows that it lives, and its thread makes every flow a second longer.
    """
    from flows.servers import live_api, passing_server

    given = os.environ.get("PREFECT_API_URL") or live_api(home)
    if given:
        with recorded_by(given):
            yield given
    else:
        with passing_server(home) as url, recorded_by(url):
            yield url


@contextmanager
def recorded_by(url: str) -> Iterator[None]:
    """Prefect talks to `url` in this block; at its end all that is queued has been sent."""
    before = os.environ.get("PREFECT_API_URL")
    os.environ["PREFECT_API_URL"] = url  # background threads do not see temporary settings
    try:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker
        from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        try:
            with temporary_settings({PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                yield
        finally:
            EventsWorker.drain_all()
            APILogWorker.drain_all()
    finally:
        if before is None:
            del os.environ["PREFECT_API_URL"]
        else:
            os.environ["PREFECT_API_URL"] = before
