"""The small card with every task in a process of its own: nothing is shared but the lake."""

import pytest
from prefect.task_runners import ProcessPoolTaskRunner

from flows.pipeline import pipeline
from tests.tasks.worlds import World, with_store

pytestmark = pytest.mark.medium


@pytest.mark.slow
def test_the_card_runs_whole_with_every_task_in_another_process(tmp_path, ran, recorded):
    few = {"methods": ["zero_shot", "centroid"], "shots": [0, 4], "champion": False}
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


def test_a_command_makes_its_plan_once(tmp_path, recorded, monkeypatch):
    from flows.execution import opening
    from flows.planning import plan as planning

    world = with_store(World(tmp_path, experiment={"methods": ["zero_shot"], "shots": [0], "champion": False}))
    calls = []

    def count(*arguments):
        calls.append(arguments)
        return planning.make_plan(*arguments)

    monkeypatch.setattr(opening, "make_plan", count)
    with recorded(world.home):
        pipeline(experiment=world.card, home=str(world.home.root))
        assert len(calls) == 1
        with opening.known(world.plan()):
            pipeline(experiment=world.card, home=str(world.home.root))
    assert len(calls) == 1
