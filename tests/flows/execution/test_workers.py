"""Tasks are given to workers with what they claim, and their errors are the run's."""

import os
import threading
import time
from contextlib import contextmanager

import pytest
from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.execution import process_workers, workers
from flows.execution.workers import WorkerLost, Workers, compute, concurrently, result_of, slots, started, submit
from flows.planning.runner import Runner, local_workers
from tasks.steps.decorator import step_task
from tests.tasks.worlds import World
from vocabsem.errors import BadInput
from warehouse.errors import CheckFailed

GB = 10**9


@step_task(task_run_name="double {number}")
def double(number):
    return 2 * number


@step_task(task_run_name="die")
def die():
    raise ChildProcessError("signal 9")


@step_task(task_run_name="refuse")
def refuse():
    raise CheckFailed("states fail 'finite'", "0" * 64)


@contextmanager
def given(monkeypatch, **changes):
    """Workers that are threads; yields the list of claims."""
    claims = []

    @contextmanager
    def claim(gpus, memory):
        claims.append((gpus, memory))
        yield

    with ThreadPoolTaskRunner(max_workers=2) as threads:
        token = workers._workers.set(Workers(threads, claim=claim, **({"slots": 2} | changes)))
        try:
            yield claims
        finally:
            workers._workers.reset(token)


@pytest.fixture
def in_flow(world, recorded):
    """Calls a function inside a flow run."""

    def call(function):
        with recorded(world.home):
            return flow(function)()

    return call


def test_a_task_claims_a_gpu_where_there_is_one_and_its_device_may_be_one(in_flow, monkeypatch):
    def tasks():
        with given(monkeypatch, gpus=1) as claims:
            assert compute(double, 4, device="auto", memory=7) == 8
            assert compute(double, 5, memory=3) == 10
        with given(monkeypatch) as without:
            assert compute(double, 6, device="auto") == 12
        return claims, without

    assert in_flow(tasks) == ([(1, 7), (0, 3)], [(0, 0)])


def test_a_task_that_no_worker_can_hold_is_refused_before_it_is_sent(in_flow, monkeypatch):
    def tasks():
        with given(monkeypatch, memory=8 * GB) as claims:
            with pytest.raises(BadInput, match=r"double needs about 9\.0 GB, and the largest worker has 8\.0 GB"):
                submit(double, 1, memory=9 * GB)
            return claims

    assert in_flow(tasks) == []


def test_without_workers_the_threads_of_the_run_compute(in_flow):
    assert slots() == 1
    assert in_flow(lambda: compute(double, 4, device="cuda", memory=10**18)) == 8


def test_a_lost_worker_is_an_error_that_says_how_to_resume_and_others_stay_what_they_are(in_flow, monkeypatch):
    def tasks():
        with given(monkeypatch, lost=(ChildProcessError,)):
            with pytest.raises(WorkerLost, match=r"killed \(ChildProcessError\).*run the same command to resume"):
                compute(die)
            with pytest.raises(CheckFailed, match="finite") as refused:
                result_of(submit(refuse))
        with pytest.raises(ChildProcessError):
            compute(die)
        return refused.value.key

    assert in_flow(tasks) == "0" * 64


def test_items_are_worked_on_as_many_at_a_time_as_there_are_slots(monkeypatch):
    both = threading.Barrier(2, timeout=20)
    with given(monkeypatch):
        concurrently(lambda _: both.wait(), range(4))
    order = []
    concurrently(order.append, range(3))
    assert order == [0, 1, 2]


def test_the_first_error_leaves_out_what_has_not_begun(monkeypatch):
    begun = []

    def work(item):
        begun.append(item)
        if item == 0:
            raise CheckFailed("refused", "key")
        time.sleep(0.3)

    with given(monkeypatch), pytest.raises(CheckFailed):
        concurrently(work, range(50))
    time.sleep(0.5)
    assert len(begun) < 6


def test_a_process_of_the_pool_has_its_share_of_the_threads_that_the_run_may_use(monkeypatch):
    begun = []
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    monkeypatch.setattr(process_workers, "prepare", begun.append)
    monkeypatch.setattr(process_workers, "_end_with_parent", lambda: None)
    _, threads = local_workers(Runner("process", workers=3))
    process_workers._begin("home", threads, [], "unused")
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert begun == ["home"]


def test_an_engine_that_is_not_installed_is_named_with_its_extra(world, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "prefect_ray", None)
    with (
        pytest.raises(BadInput, match=r"'ray' needs the package prefect_ray: pip install 'vocabsem\[ray\]'"),
        started(world.plan(runner="ray")),
    ):
        raise AssertionError


def test_a_flow_whose_workers_do_not_answer_computes_nothing(tmp_path, recorded):
    from flows.pipeline import pipeline

    pytest.importorskip("prefect_dask", reason="pip install 'vocabsem[dask]'")
    world = World(tmp_path, experiment={"runner": "dask:tcp://127.0.0.1:9"})
    with recorded(world.home), pytest.raises(BadInput, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 "):
        pipeline(experiment=world.card, home=str(world.home.root))
    assert not world.home.lake.joinpath("examples").exists()
    assert not world.home.mlflow.exists()
