"""The Prefect server and the MLflow server of a home, on loopback only."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import typer
from filelock import FileLock, Timeout

from flows import tether
from flows.variables import environment
from tasks.mlflow_store import store_lock
from vocabsem.errors import VocabsemError
from warehouse.home import Home

HOST = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT = 4200, 5055  # where to look first for a free port
TRAINING = "/#/experiments?workflowType=machine_learning"  # MLflow's pages open on chat traces otherwise
START_SECONDS = 180.0  # a first start makes the database; on a busy small machine that has taken a minute


class ServerFailed(VocabsemError):
    """A server did not start, or ended by itself."""


@dataclass
class Server:
    """A server process with its children. It ends with this process, however this process ends (see `tether`)."""

    name: str
    address: str
    health: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it without waiting. What it prints goes to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, tether.__file__, sys.executable, "-m", *self.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                start_new_session=True,  # Ctrl-C in the terminal reaches this process, which then stops the servers
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_until_healthy(self, stopping: threading.Event) -> None:
        """Return when it answers or `stopping` is set. Raises ServerFailed if it ended or does not answer in time."""
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.health) and not stopping.wait(0.2):
            if not self.alive:
                raise ServerFailed(f"{self.name} ended while starting: {self._last_words()}")
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{self.name} does not answer at {self.health} after {START_SECONDS:.0f} s; see {self.log}"
                )

    def ended(self) -> ServerFailed:
        return ServerFailed(f"{self.name} ended by itself: {self._last_words()}; start again with `vocabsem up`")

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def wait_until_stopped(self) -> None:
        if self._process is not None:
            self._process.wait()

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return f"{lines[-1].strip() if lines else 'it said nothing'} (whole log: {self.log})"


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Start the servers; stop them all at the end of the block, together."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.ask_to_stop()
        for server in servers:
            server.wait_until_stopped()


def prefect_server(home: Home, port: int, log: str = "prefect.log") -> Server:
    """The UI finds its API by the port in the environment, not by the one on the command line."""
    address = f"http://{HOST}:{port}"
    settings = {
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_URL": f"{address}/api",
    }
    return Server(
        "the Prefect server",
        address,
        f"{address}/api/health",
        ["prefect", "server", "start"],
        environment(home) | settings,
        home.root / "logs" / log,
    )


def mlflow_server(home: Home, port: int) -> Server:
    address = f"http://{HOST}:{port}"
    store = ["--backend-store-uri", home.tracking_uri, "--artifacts-destination", str(home.artifacts)]
    return Server(
        "the MLflow server",
        address,
        f"{address}/health",
        ["mlflow", "server", *store, "--host", HOST, "--port", str(port), "--workers", "1"],
        # without the job runner, of which nothing here makes use: eight processes and 600 MB less
        environment(home) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        home.root / "logs" / "mlflow.log",
    )


def up(home: Home) -> None:
    """Start both servers, print where they are, and wait. Ctrl-C, SIGTERM or a closed terminal stops both.

    Raises ServerFailed if they run already, or if one does not start or ends by itself; then the other is stopped too.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        lock = _up_lock(home).acquire(timeout=2)
    except Timeout:
        where = ", ".join(_record(home).values()) or "starting just now"
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
        with running(prefect, mlflow):
            with _first_start(home), store_lock(home):
                for server in (prefect, mlflow):
                    server.wait_until_healthy(stopping)
            try:
                if not stopping.is_set():
                    _write_record(home, {"prefect": f"{prefect.address}/api", "mlflow": mlflow.address})
                    typer.echo(_addresses(prefect, mlflow))
                while not stopping.wait(0.5):
                    for server in (prefect, mlflow):
                        if not server.alive:
                            raise server.ended()
            finally:
                _record_file(home).unlink(missing_ok=True)
                typer.echo("stopping …")


def _addresses(prefect: Server, mlflow: Server) -> str:
    return (
        f"Prefect: runs, schedules, leaderboards   {prefect.address}\n"
        f"MLflow: experiments, figures, champions  {mlflow.address}{TRAINING}\n"
        f"Flows started by vocabsem are recorded here. For Prefect's own commands:"
        f" export PREFECT_API_URL={prefect.address}/api\n"
        "Ctrl-C stops both."
    )


@contextlib.contextmanager
def passing_server(home: Home) -> Iterator[str]:
    """A Prefect server for the time of the block; yields the address of its API. Raises ServerFailed.

    Prefect's own temporary server is killed five seconds after it was asked to end, with all it has not written yet.
    """
    server = prefect_server(home, free_port(), "prefect-passing.log")
    with running(server):
        with _first_start(home):
            server.wait_until_healthy(threading.Event())
        yield f"{server.address}/api"


def live_api(home: Home) -> str | None:
    """The API of the Prefect server that `vocabsem up` runs for this home, or None. A stale record is removed."""
    url = _record(home).get("prefect")
    if url is None:
        return None
    try:
        lock = _up_lock(home).acquire(blocking=False)
    except Timeout:
        return url if answers(f"{url}/health") else None
    with lock:  # nobody holds it: whoever wrote the record was killed
        _record_file(home).unlink(missing_ok=True)
    return None


def answers(url: str) -> bool:
    """Whether it says 200 within a second. No proxy is asked: it is this machine."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=1) as response:
            return bool(response.status == 200)
    except (OSError, ValueError, urllib.error.HTTPError):
        return False


def free_port(first: int = 0) -> int:
    """`first` or the next free port on loopback; 0 lets the system choose. Raises ServerFailed if 50 are taken."""
    for port in range(first, first + 50) if first else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise ServerFailed(f"ports {first} to {first + 49} of {HOST} are all in use: stop what listens there")


@contextlib.contextmanager
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


def _up_lock(home: Home) -> FileLock:
    return FileLock(home.root / "servers.lock")


@contextlib.contextmanager
def _first_start(home: Home) -> Iterator[None]:
    """One server at a time makes or migrates Prefect's database: two at once both fail."""
    home.prefect.mkdir(parents=True, exist_ok=True)
    with FileLock(home.prefect / "start.lock", timeout=START_SECONDS):
        yield


def _record_file(home: Home) -> Path:
    return home.root / "servers.json"


def _record(home: Home) -> dict[str, str]:
    try:
        record = json.loads(_record_file(home).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(home: Home, record: Mapping[str, str]) -> None:
    target = _record_file(home)
    partial = target.with_name(f"{target.name}.tmp-{uuid.uuid4().hex}")
    partial.write_text(json.dumps(record))
    partial.replace(target)
