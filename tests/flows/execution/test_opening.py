"""A command makes its plan once; where a source was never fetched, once more when its hash is known."""

from types import SimpleNamespace

import pytest

from flows.cli import experiments
from flows.execution import opening
from flows.execution.opening import known
from flows.planning import plan as planning
from tests.tasks.worlds import sentences, write_rows
from vocabsem.sources import fetching

SOURCE = "hf:datasets/org/name@main/all.jsonl"


@pytest.fixture
def made(monkeypatch):
    """The plans that are made, in their order."""
    plans, make = [], planning.make_plan

    def recorded(*arguments, **options):
        plans.append(make(*arguments, **options))
        return plans[-1]

    monkeypatch.setattr(planning, "make_plan", recorded)
    monkeypatch.setattr(opening, "make_plan", recorded)
    return plans


def parameters(world):
    return world.card, None, str(world.home.root), None


def test_a_flow_makes_one_plan_and_within_a_command_none(world, made):
    plan = opening._plan(*parameters(world), refresh=False)
    assert made == [plan]
    with known(plan):
        assert opening._plan(*parameters(world), refresh=False) is plan
    assert made == [plan]


def test_what_is_fetched_is_planned_once_more(world, made, monkeypatch):
    world.write_dataset(files={"all": SOURCE}, split={"test": 0.2, "validation": 0.2})
    file = world.folder / "all.jsonl"
    write_rows(file, sentences())

    def submit(home, card):
        if SOURCE in getattr(card, "files", {}).values():
            fetching._keep(SOURCE, home.cache, file, str(file), "0" * 40, None)
        return SimpleNamespace(result=lambda: None)

    monkeypatch.setattr(opening, "fetch_card", SimpleNamespace(submit=submit))
    before = world.plan()
    assert before.unfetched == [SOURCE]
    with known(before):
        plan = opening._plan(*parameters(world), refresh=False)
    assert made == [plan]
    assert plan.unfetched == []


@pytest.mark.medium
def test_a_run_prints_its_summary_of_the_record(ran, made, monkeypatch, capsys):
    world, _ = ran
    monkeypatch.setenv("VOCABSEM_HOME", str(world.home.root))
    experiments.run(SimpleNamespace(obj=None), world.card)
    assert len(made) == 1
    assert "Champion of made" in capsys.readouterr().out
