"""Which Prefect server records the flows that run in this process."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flows.execution.activity import activity
from flows.services.access import secret
from flows.services.ghosts import close_ghosts, marked
from flows.services.servers import ephemeral_server, live_api, record
from tasks.tracking.databases import check_databases
from vocabsem.errors import BadInput
from warehouse.home import Home
from warehouse.lake.files import first_line


@contextmanager
def in_process(home: Home) -> Iterator[str]:
    """Run the flows of this block in this process; yields the address of the Prefect API that records them.

    That is the user's (PREFECT_API_URL), else that of `vocabsem up`, else a server for the time of the block.
    Raises BadInput where the user's does not answer, or a database of this home's cannot be read.
    No heartbeat is sent: the process itself shows that it lives, and its thread makes every flow a second longer.
    What a killed process left open is closed first.
    """
    given = os.environ.get("PREFECT_API_URL")
    check_databases(home, *(() if given else ("prefect",)), "mlflow")
    with ExitStack() as stack:
        url, auth = given, os.environ.get("PREFECT_API_AUTH_STRING")
        if not url or url == record(home).get("prefect"):
            url, auth = live_api(home) or _ephemeral(stack, home), secret(home)
        stack.enter_context(recorded_by(url, auth))
        if given:
            _require(url)
        close_ghosts(home)
        stack.enter_context(marked(home))
        yield url


def _ephemeral(stack: ExitStack, home: Home) -> str:
    with activity("starting a Prefect server for this command"):
        return stack.enter_context(ephemeral_server(home))


def lasting(home: Home) -> bool:
    """Return whether flows of this process are recorded by a server that outlives the command."""
    return bool(os.environ.get("PREFECT_API_URL") or live_api(home))


def _require(url: str) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        if error := client.api_healthcheck():
            raise BadInput(
                f"the Prefect API at {url[:200]} does not answer ({first_line(error)}): start its server, or unset"
                " PREFECT_API_URL to have one for the time of the command"
            )


@contextmanager
def recorded_by(url: str, auth: str | None) -> Iterator[None]:
    """Point Prefect to `url` for the time of the block; at its end everything queued has been sent.

    auth: the secret of that server, if it has one.
    """
    ours = {"PREFECT_API_URL": url} | ({"PREFECT_API_AUTH_STRING": auth} if auth else {})
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)  # background threads do not see temporary settings
    try:
        # imported at use: the commands that run no flow start in a fraction of the time
        import prefect.settings
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        settings: dict[Any, Any] = {getattr(prefect.settings, name): value for name, value in ours.items()}
        settings |= {prefect.settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
        try:
            with prefect.settings.temporary_settings(settings):
                yield
        finally:
            EventsWorker.drain_all()
            APILogWorker.drain_all()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
