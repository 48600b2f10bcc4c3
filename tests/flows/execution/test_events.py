"""Which champions are told: those that are another than before, whichever experiment made them."""

from dataclasses import replace

import pytest

from flows.execution.events import changed_champions
from tests.tasks.worlds import replace_home


@pytest.fixture
def plan(ran, tmp_path):
    """The plan of the world that ran, over a copy of its home."""
    world, _ = ran
    return replace(world.plan(), home=replace_home(world, tmp_path).home)


def later(plan, champions, name):
    """The plan of a further run under another name, recorded with these champions."""
    next_plan = replace(plan, experiment=plan.experiment.model_copy(update={"name": name}))
    step = next_plan.run
    step.partition(plan.lake).publish([], payload=step.payload, inputs=step.inputs, facts={"champions": champions})
    return next_plan


def champion(plan, fit, version):
    return {"model": "vocabsem-made@champion", "version": version, "key": fit.predictions.key, "seed": 0}


def test_the_first_champion_is_a_change_from_none(plan):
    recorded = plan.run.partition(plan.lake).manifest().facts["champions"][0]
    (change,) = changed_champions(plan)
    fit = next(fit for fit in plan.pairs[0].fits if fit.predictions.key == recorded["key"])
    assert change == {
        "model": "vocabsem-made@champion",
        "version": "1",
        "method": fit.name,
        "shots": fit.shots,
        "key": recorded["key"],
        "before": None,
    }


def test_the_same_champion_again_is_no_change_and_another_is(plan):
    first = plan.run.partition(plan.lake).manifest().facts["champions"]
    assert changed_champions(later(plan, first, "same")) == []
    other = next(fit for fit in plan.pairs[0].fits if fit.predictions.key != first[0]["key"])
    (change,) = changed_champions(later(plan, [champion(plan, other, "2")], "other"))
    assert (change["method"], change["shots"], change["version"]) == (other.name, other.shots, "2")
    assert change["before"] == first[0]["key"]
    assert changed_champions(later(plan, [champion(plan, other, "2")], "again")) == []
    assert [c["before"] for c in changed_champions(later(plan, first, "back"))] == [other.predictions.key]


def test_a_run_without_a_champion_tells_nothing_and_does_not_hide_the_last(plan):
    first = plan.run.partition(plan.lake).manifest().facts["champions"]
    assert changed_champions(later(plan, [], "without")) == []
    assert changed_champions(later(plan, first, "same")) == []
    assert len(changed_champions(plan)) == 1, "what came later does not change what was a change then"
