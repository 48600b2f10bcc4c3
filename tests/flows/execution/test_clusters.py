"""The same card on every kind of workers: the same predictions, row for row, and the same leaderboard."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, vocabsem
from tests.tasks.worlds import World, server, with_store
from tests.vocabsem.test_worker import copy_code
from warehouse.catalog import catalog

pytestmark = pytest.mark.timeout(900)  # each starts processes that import everything, on machines that others use
FEW = {"methods": ["zero_shot", "centroid", "linear_probe"], "shots": [0, 4], "champion": False, "shard_rows": 4}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # of each process: batches are formed for its threads, and rounding follows them
BOARD = "select method, shots, macro_f1, accuracy, nll from leaderboard order by all"


def needs(engine):
    pytest.importorskip(f"prefect_{engine}", reason=f"pip install 'vocabsem[{engine}]'")


def run(world, runner):
    """The command in a process of its own, recorded by the server of all tests."""
    recorded_by = {"PREFECT_API_URL": server(), "PREFECT_API_AUTH_STRING": os.environ["PREFECT_API_AUTH_STRING"]}
    return vocabsem(world.home.root, "run", world.card, "--runner", runner, env=os.environ | recorded_by | ONE_THREAD)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """What the threads of one process compute of the card."""
    world = with_store(World(tmp_path_factory.mktemp("local"), experiment=FEW))
    done = run(world, "local")
    assert done.returncode == 0, done.stderr
    return world


def assert_same(world, local, done):
    assert done.returncode == 0, done.stderr
    board, expected = (catalog.query(each.home, BOARD) for each in (world, local))
    assert board.equals(expected)
    for fit, other in zip(world.plan().fits, local.plan().fits, strict=True):
        there = fit.predictions.partition(world.plan().lake).table()
        assert there.equals(other.predictions.partition(local.plan().lake).table()), fit.name


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["process:2", "dask:2", "ray:2"])
def test_workers_of_this_machine_compute_the_same(tmp_path, local, runner):
    if (engine := runner.partition(":")[0]) != "process":
        needs(engine)
    world = with_store(World(tmp_path, experiment=FEW))
    done = run(world, runner)
    assert_same(world, local, done)
    assert not re.findall("(?i)warning|traceback", done.stderr)


@contextmanager
def process(*words, folder=ROOT, **variables):
    environment = os.environ | {"PYTHONPATH": str(folder)} | ONE_THREAD | variables
    with Path(os.devnull).open("w") as nowhere:
        started = subprocess.Popen(
            [sys.executable, "-m", *words], env=environment, cwd=folder, stdout=nowhere, stderr=2
        )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(20)


@contextmanager
def dask_cluster(folder, *copies):
    """A scheduler and a worker for each folder of code; yields the address and the workers."""
    cli, file = ("distributed.cli.dask_scheduler", "distributed.cli.dask_worker"), folder / "scheduler.json"
    with ExitStack() as stack:
        there = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
        stack.enter_context(process(cli[0], "--port", "0", *there))
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        options = ("--nthreads", "1", "--no-dashboard", "--scheduler-file", str(file), "--resources", "GPU=1")
        workers = [
            stack.enter_context(process(cli[1], *options, "--local-directory", str(folder), folder=each))
            for each in copies
        ]
        yield re.search(r'"address": "([^"]+)"', file.read_text())[1], workers


def answers(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def ray_cluster():
    """A head with two workers; yields its address and its process."""
    port = 24000 + os.getpid() % 8000
    words = ("ray.scripts.scripts", "start", "--head", "--num-cpus=2", f"--port={port}", "--include-dashboard=false")
    with process(*words, "--block", "--disable-usage-stats") as head:
        deadline = time.monotonic() + 120
        while not answers(port) and time.monotonic() < deadline:
            time.sleep(0.1)
        yield f"127.0.0.1:{port}", head


def kill_one(world, victim, seen):
    """Kill a worker as soon as a few shards are there."""
    while len(list(world.home.lake.glob("states/**/part-*.parquet"))) < 4:
        time.sleep(0.01)
    os.kill(victim(), signal.SIGKILL)
    seen.append(len(list(world.home.lake.glob("states/**/part-*.parquet"))))


def run_with_a_kill(world, runner, victim):
    seen = []
    killer = threading.Thread(target=kill_one, args=(world, victim, seen), daemon=True)
    killer.start()
    done = run(world, runner)
    killer.join(1)
    assert seen, done.stderr
    assert seen[0] < 26, "shards of four rows"
    return done


def process_below(pid, name):
    """A child that computes: the process of a worker, below its nanny or its node."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for one in psutil.Process(pid).children(recursive=True):
            if name in " ".join(one.cmdline()):
                return one.pid
    raise AssertionError(f"no {name} below {pid}")


@pytest.mark.slow
def test_a_dask_cluster_loses_a_worker_and_computes_the_same(tmp_path, local):
    needs("dask")
    world = with_store(World(tmp_path, experiment=FEW))
    with dask_cluster(tmp_path, ROOT, ROOT) as (address, workers):
        done = run_with_a_kill(world, f"dask:{address}", lambda: process_below(workers[0].pid, "spawn"))
    assert_same(world, local, done)


@pytest.mark.slow
def test_a_ray_cluster_loses_a_worker_and_computes_the_same(tmp_path, local):
    needs("ray")
    world = with_store(World(tmp_path, experiment=FEW))
    with ray_cluster() as (address, head):
        done = run_with_a_kill(world, f"ray:{address}", lambda: process_below(head.pid, "ray::extract_shard"))
    assert_same(world, local, done)


@pytest.mark.slow
def test_a_worker_of_other_code_is_refused_before_anything_is_computed(tmp_path):
    needs("dask")
    world = World(tmp_path, experiment=FEW)
    copy = copy_code(tmp_path / "copy")
    (copy / "tasks" / "fits.py").write_text("changed = True\n")
    with dask_cluster(tmp_path, copy) as (address, _):
        done = run(world, f"dask:{address}")
    assert done.returncode == 2
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert re.search(r"worker tcp://\S+ has vocabsem \w{12}, this command \w{12}: install the same version", error)
    assert not world.home.lake.joinpath("examples").exists()
