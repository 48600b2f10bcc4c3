"""Two workers of a Prefect work pool, started as in docs/scale.md: each takes a run, one that is killed loses it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta

import pyarrow.compute as pc
import pytest
from prefect.client.orchestration import get_client

from flows.services.access import secret
from flows.services.prefect_api import recorded_by
from flows.services.servers import ephemeral_server
from tests.conftest import ROOT
from tests.tasks.worlds import World, compute, half_written, sentences
from warehouse.home import Home
from warehouse.lake.gc import sweep
from warehouse.lake.manifest import MANIFEST
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.slow

POOL, FEW = "machines", {"methods": ["zero_shot", "centroid"], "shots": [0, 4], "seeds": [0], "shard_rows": 4}
SECONDS = 600


@pytest.fixture
def home(tmp_path):
    """The home that both machines share."""
    return Home(tmp_path / "shared")


@pytest.fixture
def prefect(home, tmp_path):
    """Runs a command of Prefect as a user of the server has it; with `start`, in the background."""
    with ephemeral_server(home) as api:
        begun = []
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
        user = {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": secret(home), "PYTHONPATH": str(ROOT)}

        def run(*words, start="", **variables):
            folder = tmp_path / (start or "user")
            folder.mkdir(exist_ok=True)
            options = {"cwd": folder, "env": plain | user | {"PREFECT_HOME": str(folder / "prefect")} | variables}
            command = [sys.executable, "-m", "prefect", *map(str, words)]
            if start:
                with (folder / "log").open("wb") as log:
                    begun.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **options))
                return begun[-1]
            return subprocess.run(command, check=True, capture_output=True, text=True, **options)

        with recorded_by(api, secret(home)):
            yield run
        for process in begun:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def until(holds, what):
    """Wait until a function returns what is true."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def runs_of(name):
    """The runs of a deployment, the newest last."""
    with get_client(sync_client=True) as client:
        ids = {str(each.id): each.name for each in client.read_deployments()}
        runs = sorted(client.read_flow_runs(), key=lambda run: run.created)
    return [run for run in runs if ids.get(str(run.deployment_id)) == name]


def worker_of(run):
    return run.labels.get("prefect.worker.name")


def state_of(run):
    return run.state.type.value


def kill(*pids):
    """Kill the processes with all of their groups, at once, as where a machine loses its power."""
    for group in {os.getpgid(pid) for pid in pids}:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def figures(world, home):
    """The metrics of every fit of a card, without those that are times."""
    tables = [fit.metrics.partition(Lake(home)).table() for fit in world.plan().fits]
    return [table.filter(pc.field("metric") != "fit_seconds") for table in tables]


@pytest.mark.timeout(3 * SECONDS)
def test_each_worker_takes_a_run_and_one_that_is_killed_loses_that_only(home, prefect, tmp_path):
    worlds = {}
    for seed, name in enumerate(("first", "second")):
        (tmp_path / name).mkdir()
        rows = sentences(seed)
        worlds[name] = World(tmp_path / name, {"name": name}, FEW | {"name": name}, rows)
    prefect("work-pool", "create", POOL, "--type", "process")
    for name, world in worlds.items():
        deploy = ("--no-prompt", "deploy", "vocabsem.flows:pipeline", "--name", name, "--pool", POOL)
        prefect(*deploy, "--param", f"experiment={world.card}")
    workers = {}
    for worker in ("one", "two"):
        start = ("worker", "start", "--pool", POOL, "--name", worker, "--limit", 1)
        workers[worker] = prefect(*start, start=worker, VOCABSEM_HOME=str(home))
    for name in worlds:
        prefect("deployment", "run", f"pipeline/{name}")

    until(lambda: all(runs and worker_of(runs[0]) for runs in map(runs_of, worlds)), "both runs are taken")
    lost, kept = (worker_of(runs_of(name)[0]) for name in worlds)
    assert {lost, kept} == {"one", "two"}
    until(lambda: list(home.lake.glob("states/*/dataset=first/**/part-*.parquet")), "the first run has a shard")
    kill(workers[lost].pid, int(runs_of("first")[0].infrastructure_pid))
    workers[lost].wait()
    until(lambda: state_of(runs_of("second")[0]) == "COMPLETED", "the other run ends")
    assert state_of(runs_of("first")[0]) in ("RUNNING", "CRASHED")
    finished = {path: path.stat().st_mtime_ns for path in home.lake.rglob(MANIFEST)}
    prefect("deployment", "run", "pipeline/first")
    until(lambda: state_of(runs_of("first")[-1]) == "COMPLETED", "the worker that is left resumes the run")
    assert worker_of(runs_of("first")[-1]) == kept
    assert workers[kept].poll() is None
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    sweep(home, timedelta(0))  # `vocabsem gc`: what the killed run was writing
    assert not half_written(home)
    for name, world in worlds.items():
        compute(world.plan())
        assert figures(world, home) == figures(world, world.home), name
    assert not [name for name in ("user", "one", "two") if (tmp_path / name / "mlflow.db").exists()]
    assert home.mlflow.exists(), "MLflow's store is that of the home"
