"""The servers of a home, all on loopback: Prefect's, MLflow's, and the worker; and which of them run."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from flows.services.access import secret
from flows.services.process import HOST, START_SECONDS, Server, free_port, responds, running
from vocabsem.installation import ROOT
from vocabsem.runtime.waiting import held
from warehouse.home import Home
from warehouse.lake import atomic

PREFECT_PORT, MLFLOW_PORT = 4200, 5055  # where to look first for a free port
DEPLOYMENTS = ROOT / "prefect.yaml"  # unless a project has its own
POOL = "vocabsem"  # the work pool that prefect.yaml deploys to
HEARTBEAT_SECONDS = 30  # of deployed runs: the least that Prefect allows


def prefect_server(home: Home, port: int, log: str = "prefect.log") -> Server:
    """Define the Prefect server; its UI reads the port of the API from the environment, not from the command line."""
    settings = {"PREFECT_SERVER_API_HOST": HOST, "PREFECT_SERVER_API_PORT": str(port)}
    settings |= {"PREFECT_API_URL": f"http://{HOST}:{port}/api", "PREFECT_SERVER_API_AUTH_STRING": secret(home)}
    command = ["flows.services.apps", "prefect", str(port)]
    return Server("the Prefect server", home, port, "/api/health", command, settings, log)


def mlflow_server(home: Home, port: int) -> Server:
    command = ["flows.services.apps", "mlflow", str(port)]
    # without the job runner, of which nothing here makes use: eight processes and 600 MB less
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return Server("the MLflow server", home, port, "/health", command, settings, "mlflow.log")


def worker(home: Home, api: str) -> Server:
    """Define the worker: it runs what the server at `api` has scheduled, each run in a process, in the same home."""
    port = free_port()
    settings = {
        "PREFECT_API_URL": api,
        "PREFECT_API_AUTH_STRING": secret(home),
        "PREFECT_WORKER_WEBSERVER_HOST": HOST,
        "PREFECT_WORKER_WEBSERVER_PORT": str(port),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",  # into its log
    }
    command = ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--with-healthcheck"]
    return Server("the worker", home, port, "/health", command, settings, "worker.log")


@contextlib.contextmanager
def ephemeral_server(home: Home) -> Iterator[str]:
    """Run a Prefect server for the time of the block; yields the address of its API. Raises ServerFailed.

    Prefect's own temporary server is killed five seconds after its SIGTERM, with all it has not written yet.
    """
    server = prefect_server(home, free_port(), "prefect-ephemeral.log")
    with contextlib.ExitStack() as stack:
        with first_start(server):
            stack.enter_context(running(server))
            server.wait_until_healthy(threading.Event())
        yield f"{server.address}/api"


@contextlib.contextmanager
def first_start(server: Server) -> Iterator[None]:
    """Guard a block that starts a Prefect server and waits until it answers.

    One at a time makes or migrates the database: two at once both fail. One that is cut off while it makes it leaves
    what no server can bring up to date, and nothing was recorded in: it is removed by the next.
    """
    folder = server.home.prefect
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "unfinished"
    starts = f"starts a Prefect server of {server.home.root}"
    with held(folder / "start.lock", starts, timeout=START_SECONDS):
        if unfinished.exists():
            for file in folder.glob("prefect.db*"):
                file.unlink()
        if not (folder / "prefect.db").exists():
            unfinished.touch()
        yield
        if responds(server.health):
            unfinished.unlink(missing_ok=True)


# ── which servers run: a record, good as long as its writer holds the lock ───────────────────────────────────────


def up_lock(home: Home) -> FileLock:
    return FileLock(home.root / "servers.lock")


def live_api(home: Home) -> str | None:
    """Return the API of the Prefect server that `vocabsem up` runs for this home, or None; remove a stale record."""
    url = record(home).get("prefect")
    if url is None:
        return None
    try:
        lock = up_lock(home).acquire(blocking=False)
    except Timeout:
        return url if responds(f"{url}/health") else None
    with lock:  # nobody holds it: whoever wrote the record was killed
        record_file(home).unlink(missing_ok=True)
    return None


def record_file(home: Home) -> Path:
    return home.root / "servers.json"


def record(home: Home) -> dict[str, str]:
    try:
        content = json.loads(record_file(home).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_record(home: Home, addresses: Mapping[str, str]) -> None:
    atomic.write(record_file(home), json.dumps(addresses).encode(), sync=False)
