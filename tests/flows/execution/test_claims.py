"""What is claimed of the engines, in their own words."""

import multiprocessing
import os
import signal
import time

import pytest

from flows.execution import process_workers
from flows.planning.runner import Runner
from warehouse.home import Home

pytestmark = pytest.mark.medium


def test_dask_gets_claims_of_what_a_worker_declares():
    dask = pytest.importorskip("dask")
    pytest.importorskip("prefect_dask", reason="pip install 'vocabsem[dask]'")
    from flows.execution.dask_workers import _claim

    known = [{"resources": {"GPU": 1.0}}, {"resources": {}}]
    with _claim({"GPU": 1, "MEMORY": 5}, known):
        assert dask.get_annotations() == {"resources": {"GPU": 1}}
    with _claim({"GPU": 0, "MEMORY": 5}, known):
        assert dask.get_annotations() == {}
    with _claim({"GPU": 1, "MEMORY": 5}, [{"resources": {"MEMORY": 9.0}}]):
        assert dask.get_annotations() == {"resources": {"MEMORY": 5}}


def test_a_cluster_of_dask_that_the_command_starts_is_private(monkeypatch):
    pytest.importorskip("prefect_dask", reason="pip install 'vocabsem[dask]'")
    from flows.execution.dask_workers import _on_this_machine

    monkeypatch.setenv("OMP_NUM_THREADS", "12")
    options = _on_this_machine(Runner("dask", workers=3))
    assert options["security"]
    assert options["dashboard_address"] is None
    assert (options["n_workers"], options["env"]["OMP_NUM_THREADS"]) == (3, "4")


def test_ray_gets_claims_of_gpus_and_memory():
    pytest.importorskip("prefect_ray", reason="pip install 'vocabsem[ray]'")
    from prefect_ray.context import RemoteOptionsContext

    from flows.execution.ray_workers import _claim

    with _claim(1, 7):
        assert RemoteOptionsContext.get().current_remote_options == {"num_gpus": 1, "memory": 7}
    with _claim(0, 0):
        assert RemoteOptionsContext.get().current_remote_options == {}


def _parent(home, pids):
    with process_workers.workers(Runner("process", workers=1), Home(home)) as workers:
        executor = workers.runner._executor
        pids.put((workers.slots, executor.submit(os.getpid).result()))
        time.sleep(60)


def test_processes_end_with_a_parent_that_is_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    pids = context.Queue()
    parent = context.Process(target=_parent, args=(tmp_path, pids))
    parent.start()
    slots, child = pids.get(timeout=120)
    assert slots == 1
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"{child} lives on")
