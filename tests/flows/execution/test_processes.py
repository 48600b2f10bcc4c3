"""The small card with every task in a process of its own: nothing is shared but the lake."""

import threading

import duckdb
import pytest
from prefect.task_runners import ProcessPoolTaskRunner

from flows.execution import process_workers
from flows.pipeline import pipeline
from flows.planning.runner import Runner
from tests.tasks.worlds import World, with_store
from warehouse.home import Home

pytestmark = pytest.mark.medium


def test_the_card_runs_whole_with_every_task_in_another_process(tmp_path, ran, recorded):
    few = {"methods": ["centroid"], "shots": [4], "champion": False}
    world = with_store(World(tmp_path, experiment=few))
    with recorded(world.home):
        runner = ProcessPoolTaskRunner(max_workers=2)
        key = pipeline.with_options(task_runner=runner)(experiment=world.card, home=str(world.home.root))
    assert world.plan().run.key == key
    assert not world.plan().missing()
    here = {fit.predictions.key: fit.predictions.partition(ran[0].plan().lake) for fit in ran[0].plan().fits}
    for fit in world.plan().fits:
        there = fit.predictions.partition(world.plan().lake).table()
        assert there.equals(here[fit.predictions.key].table()), fit.name


def _leave_a_connection():
    """Let a thread that idles hold a connection, as those of Prefect do."""
    held = threading.Event()

    def idle():
        connection = duckdb.connect()
        held.set()
        threading.Event().wait()
        connection.close()

    threading.Thread(target=idle, daemon=True).start()
    assert held.wait(10)


def test_a_process_of_the_pool_ends_without_a_word(tmp_path, capfd):
    with process_workers.workers(Runner("process", workers=1), Home(tmp_path)) as workers:
        workers.runner._executor.submit(_leave_a_connection).result()
    assert capfd.readouterr().err == ""
