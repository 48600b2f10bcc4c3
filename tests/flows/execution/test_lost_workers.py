"""A process of the pool that is killed ends the run with how to resume it; what Dask and Ray do is in test_clusters."""

import os
import signal
import time
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


def kill_one(folder):
    """Kill the process of a task that has begun."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for path in folder.iterdir():
            os.kill(int(path.name.split("-")[1]), signal.SIGKILL)
            return
        time.sleep(0.05)
    raise AssertionError("no task has begun")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_of_two_processes_is_killed(tmp_path, recorded):
    world, folder = World(tmp_path), tmp_path / "begun"
    folder.mkdir()
    task = step_task(task_run_name="work {number}")(_work)

    @flow
    def compute_all():
        with started(world.plan(runner="process:2")):
            futures = [submit(task, number, str(folder)) for number in range(TASKS)]
            kill_one(folder)
            return [result_of(future) for future in futures]

    with recorded(world.home), pytest.raises(WorkerLost, match="run the same command to resume"):
        compute_all()
