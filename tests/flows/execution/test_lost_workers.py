"""A worker that is killed loses its task only: another computes it, the rest is computed once."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from prefect import flow

from flows.execution.workers import WorkerLost, result_of, started, submit
from tasks.steps.decorator import step_task
from tests.tasks.worlds import World

TASKS = 6


def _work(number, folder):
    """Leave a file for each time that the task begins; return the process."""
    Path(folder, f"{number}-{os.getpid()}").touch()
    time.sleep(2)
    return os.getpid()


def begun(folder):
    return [tuple(map(int, path.name.split("-"))) for path in folder.iterdir()]


def kill_one(folder):
    """Kill the process of a task that has begun; return the task's number."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for number, pid in begun(folder):
            os.kill(pid, signal.SIGKILL)
            return number
        time.sleep(0.05)
    raise AssertionError("no task has begun")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["process", "dask", "ray"])
def test_one_of_two_workers_is_killed(tmp_path, recorded, engine):
    if engine != "process":
        pytest.importorskip(f"prefect_{engine}", reason=f"pip install 'vocabsem[{engine}]'")
    world, folder = World(tmp_path), tmp_path / "begun"
    folder.mkdir()
    task = step_task(task_run_name="work {number}")(_work)

    @flow
    def compute_all():
        with started(world.plan(runner=f"{engine}:2")):
            futures = [submit(task, number, str(folder)) for number in range(TASKS)]
            lost = kill_one(folder)
            return lost, [result_of(future) for future in futures]

    with recorded(world.home):
        if engine == "process":
            with pytest.raises(WorkerLost, match="run the same command to resume"):
                compute_all()
            return
        lost, pids = compute_all()
    times = Counter(number for number, _ in begun(folder))
    assert times[lost] == 2
    assert all(times[number] == 1 for number in range(TASKS) if number != lost)
    assert len(pids) == TASKS
