"""`vocabsem up`: the servers of a home, and with a schedule its worker, until one signal stops them all."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import typer
from filelock import Timeout

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
    worker,
    write_record,
)
from tasks.tracking.store import store_lock
from vocabsem.errors import BadInput
from warehouse.home import Home

Working = Callable[[str, threading.Event], AbstractContextManager[list[Server]]]  # of the API and the stop signal
TRAINING = "/#/experiments?workflowType=machine_learning"  # MLflow's pages open on chat traces otherwise


def up(home: Home, schedule: bool = False, deployments: Path | None = None, webhook: str | None = None) -> None:
    """Start the servers, print where they are, and wait. Ctrl-C, SIGTERM or a closed terminal stops them.

    schedule: the deployments are registered, and a worker runs them. deployments: their file, if not `prefect.yaml`.
    webhook: who is told of failures and of new champions (see `automations.told`).
    Raises BadInput for deployments that cannot run, before anything starts; ServerFailed if the servers run already,
    or if one does not start or ends by itself; then the others are stopped too.
    """
    if not schedule and (webhook or deployments):
        raise BadInput("--webhook and --deployments are about scheduled runs: give --schedule too")
    if not schedule:
        _serve(home)
        return
    file = (deployments or DEPLOYMENTS).absolute()
    # Prefect and torch are large, and this process stays for days: what needs them is done in another.
    with ProcessPoolExecutor(1, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as aside:
        coming = aside.submit(_of_schedules, "checked", file).result()
        _serve(home, lambda api, stopping: _working(home, api, aside, file, webhook, stopping), coming)


def _serve(home: Home, working: Working = lambda *_: nullcontext([]), coming: Sequence[str] = ()) -> None:
    """The servers, and what `working` adds to them once they answer, until a signal comes."""
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        lock = up_lock(home).acquire(timeout=2)
    except Timeout:
        where = ", ".join(record(home).values()) or "starting just now"
        raise ServerFailed(
            f"the servers of {home.root} run already ({where}): use them, or stop them with"
            " Ctrl-C where they were started"
        ) from None
    with lock, _stop_signals() as stopping:
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
            try:
                api = f"{prefect.address}/api"
                with working(api, stopping) as workers:
                    if not stopping.is_set():
                        write_record(home, {"prefect": api, "mlflow": mlflow.address})
                        typer.echo("\n".join([*_addresses(prefect, mlflow), *coming, "Ctrl-C stops all of it."]))
                    while not stopping.wait(0.5):
                        for server in (prefect, mlflow, *workers):
                            if not server.alive:
                                raise server.ended()
            finally:
                record_file(home).unlink(missing_ok=True)
                typer.echo("stopping …")


@contextmanager
def _working(
    home: Home, api: str, aside: Executor, file: Path, webhook: str | None, stopping: threading.Event
) -> Iterator[list[Server]]:
    """The file's deployments registered and a worker for the time of the block, which ends before the servers do."""
    if stopping.is_set():
        yield []
        return
    typer.echo(f"registering the deployments of {file} …")
    process = worker(home, api)
    process.log.unlink(missing_ok=True)
    aside.submit(_of_schedules, "make_pool", api).result()
    with running(process):
        aside.submit(_of_schedules, "register", home, api, file, webhook).result()
        aside.shutdown()
        process.wait_until_healthy(stopping)
        yield [process]


def _of_schedules(name: str, *arguments: Any) -> Any:
    return getattr(import_module("flows.services.deployments"), name)(*arguments)


def _addresses(prefect: Server, mlflow: Server) -> list[str]:
    return [
        f"Prefect: runs, schedules, leaderboards   {prefect.address}",
        f"MLflow: experiments, figures, champions  {mlflow.address}{TRAINING}",
        "Flows started by vocabsem are recorded here. For Prefect's own commands:"
        f" export PREFECT_API_URL={prefect.address}/api",
    ]


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    stopping = threading.Event()
    hung_up = [] if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else [signal.SIGHUP]  # nohup stays nohup
    numbers = [signal.SIGINT, signal.SIGTERM, *hung_up]
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in numbers}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
