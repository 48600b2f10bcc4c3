"""Which Prefect server records the flows that run in this process."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from flows.services.servers import ephemeral_server, live_api
from warehouse.home import Home


@contextmanager
def in_process(home: Home) -> Iterator[str]:
    """Run the flows of this block in this process; yields the address of the Prefect API that records them.

    That is the user's (PREFECT_API_URL), else that of `vocabsem up`, else a server for the time of the block.
    No heartbeat is sent: the process itself shows that it lives, and its thread makes every flow a second longer.
    """
    with ExitStack() as stack:
        url = os.environ.get("PREFECT_API_URL") or live_api(home) or stack.enter_context(ephemeral_server(home))
        stack.enter_context(recorded_by(url))
        yield url


@contextmanager
def recorded_by(url: str) -> Iterator[None]:
    """Point Prefect to `url` for the time of the block; at its end everything queued has been sent."""
    before = os.environ.get("PREFECT_API_URL")
    os.environ["PREFECT_API_URL"] = url  # background threads do not see temporary settings
    try:
        # imported at use: the commands that run no flow start in a fraction of the time
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
