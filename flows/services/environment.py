"""Processes that run flows: their environment, and which Prefect server records them. Nothing slow is imported."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.services.variables import environment
from vocabsem.malloc import keep_freed_memory
from warehouse.home import Home


def prepare(home: str | Path | None = None) -> Home:
    """Make the environment of this process that of `home`, and return the home. Call it before Prefect is imported,
    and before threads are started."""
    found = Home.find(home)
    os.environ.update(environment(found))
    keep_freed_memory()
    return found


@contextmanager
def in_process(home: Home) -> Iterator[str]:
    """Flows called in this block run in this process; yields the address of the Prefect API that records them.

    That is the user's (PREFECT_API_URL), else that of `vocabsem up`, else a server for the time of the block.
    No heartbeat is sent: the process itself shows that it lives, and its thread makes every flow a second longer.
    """
    from flows.services.servers import ephemeral_server, live_api

    given = os.environ.get("PREFECT_API_URL") or live_api(home)
    if given:
        with recorded_by(given):
            yield given
    else:
        with ephemeral_server(home) as url, recorded_by(url):
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
