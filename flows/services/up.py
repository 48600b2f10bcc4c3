"""`vocabsem up`: the servers of a home, and with a schedule its worker, until one signal stops them all."""

import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import typer
from filelock import Timeout

from flows.execution.activity import line
from flows.services.access import discard_tickets, link, secret, secret_file
from flows.services.ghosts import close_ghosts, ghosts
from flows.services.process import Server, ServerFailed, free_port, running
from flows.services.servers import (
    DEPLOYMENTS,
    MLFLOW_PORT,
    PREFECT_PORT,
    first_start,
    mlflow_server,
    prefect_server,
    record,
    record_file,
    up_lock,
    write_record,
)
from tasks.tracking.databases import check_databases
from tasks.tracking.store import store_lock
from vocabsem.cards.folders import OWN
from vocabsem.errors import BadInput
from warehouse.home import Home
from warehouse.lake.store import store_of

Workers = Callable[[str, threading.Event], AbstractContextManager[list[Server]]]  # of the API and the stop signal
TRAINING = "/#/experiments?workflowType=machine_learning"  # MLflow's pages open on chat traces otherwise


def up(home: Home, schedule: bool = False, deployments: Path | None = None, webhook: str | None = None) -> None:
    """Start the servers, print their addresses, and wait. Ctrl-C, SIGTERM or a closed terminal stops them.

    schedule: register the deployments and run them with a worker. deployments: their file, by default `prefect.yaml` of
    the working directory where that is a project, else the shipped one.
    webhook: URL or TYPE/NAME of a block to notify on failed runs and new champions.
    Raises BadInput for deployments that cannot run and a webhook that is none, StoreUnavailable for a home in a bucket
    that cannot be used, before anything starts; ServerFailed if the servers run already, or if one does not start or
    ends by itself; then the others are stopped too.
    """
    if (webhook or deployments) and not schedule:
        raise BadInput("--webhook and --deployments are about scheduled runs: give --schedule too")
    store_of(home).has(home.catalog)  # or StoreUnavailable
    if not schedule:
        _serve(home)
        return
    from flows.services.deployments import check_deployments, check_webhook, worker_running  # imports Prefect: 100 MB

    if webhook:
        check_webhook(webhook)
    file = (deployments or _of_project() or DEPLOYMENTS).absolute()
    next_runs = check_deployments(file)
    _serve(home, partial(worker_running, home, file, webhook), next_runs)


def _of_project() -> Path | None:
    """Return the deployments of the project in the working directory: the file of another program is no such."""
    file = Path(DEPLOYMENTS.name)
    return file if Path(OWN).is_dir() and file.is_file() else None


def _serve(home: Home, workers: Workers = lambda *_: nullcontext([]), next_runs: Sequence[str] = ()) -> None:
    """Run the servers, and `workers` once they answer, until a signal comes."""
    check_databases(home, "prefect", "mlflow")
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        lock = up_lock(home).acquire(timeout=2)
    except Timeout:
        where = ", ".join(record(home).values()) or "starting just now"
        raise ServerFailed(
            "\n".join(
                [
                    f"the servers of {home.root} run already ({where}): use them, or stop them with Ctrl-C where they"
                    " were started",
                    *_links(home),
                ]
            )
        ) from None
    with lock, _stop_signals() as stopping:
        discard_tickets(home)
        prefect = prefect_server(home, free_port(PREFECT_PORT))
        mlflow = mlflow_server(home, free_port(MLFLOW_PORT))
        typer.echo(f"starting the Prefect and MLflow servers of {home.root} …")
        for server in (prefect, mlflow):
            server.log.unlink(missing_ok=True)
        with ExitStack() as stack:
            with first_start(prefect), store_lock(home):
                stack.enter_context(running(prefect, mlflow))
                for server in (prefect, mlflow):
                    server.wait_until_healthy(stopping)
            if stopping.is_set():
                return
            api = f"{prefect.address}/api"
            if ghosts(home):
                from flows.services.prefect_api import recorded_by

                with recorded_by(api, secret(home)):
                    close_ghosts(home)
            if next_runs:
                typer.echo("registering the deployments …")
            servers = [prefect, mlflow, *stack.enter_context(workers(api, stopping))]
            write_record(home, {"prefect": api, "mlflow": mlflow.address})
            stack.callback(record_file(home).unlink, missing_ok=True)
            stack.callback(typer.echo, "stopping …")
            typer.echo("\n".join([*_links(home), *_for_programs(home, api), *next_runs, "Ctrl-C stops all of it."]))
            line.stop()
            while not stopping.wait(0.5):
                for server in servers:
                    if not server.alive:
                        raise server.ended()


def _links(home: Home) -> list[str]:
    """Return the links to open, one per line: each authenticates one browser permanently."""
    addresses = record(home)
    if not addresses:
        return []
    prefect = addresses["prefect"].removesuffix("/api")
    return [
        f"Prefect: runs, schedules, leaderboards   {link(home, prefect)}",
        f"MLflow: experiments, metrics, champions  {link(home, addresses['mlflow'] + TRAINING)}",
        "A link opens once, and that browser may return without it; for another link run `vocabsem up` again.",
    ]


def _for_programs(home: Home, api: str) -> list[str]:
    file = shlex.quote(str(secret_file(home)))
    return [
        "Flows started by vocabsem are recorded here. For Prefect's own commands:",
        f'export PREFECT_API_URL={api} PREFECT_API_AUTH_STRING="$(cat {file})"',
    ]


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    stopping = threading.Event()
    hung_up = [] if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else [signal.SIGHUP]  # nohup stays nohup
    numbers = [signal.SIGINT, signal.SIGTERM, *hung_up]
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in numbers}
    wakeup = signal.set_wakeup_fd(-1)  # servers may take longer to end than an interrupted command
    try:
        yield stopping
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
