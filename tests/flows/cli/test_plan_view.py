"""The plan as it is printed."""

import json

import pytest

from flows.cli import plan_view
from flows.execution.reading import read_data
from tasks.views import calibration
from tests.tasks.worlds import SPLITS, compute

pytestmark = pytest.mark.medium


@pytest.fixture(autouse=True)
def timed(monkeypatch):
    for name in ("time_tokens", "time_fit", "time_metrics"):
        monkeypatch.setattr(calibration, name, lambda *_: 0.1)


def test_a_plan_is_printed_as_text_and_as_json(world, capsys):
    plan = world.plan(**{"limits.train": 30, "limits.validation": 6, "limits.test": 12})
    plan_view.show_plan(plan, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    kinds = ["examples", "anchors", "demonstrations", "states", "word_scores"]
    kinds += ["predictions", "metrics", "comparisons", "runs"]
    assert list(printed["steps"]) == kinds
    assert all(count["all"] == count["missing"] for count in printed["steps"].values())
    assert printed["cost"]["prompts"] == 48
    parts = [each["part"] for each in printed["protocol"]["deviations"]]
    assert (printed["protocol"]["version"], parts[:2]) == (1, ["datasets", "limits.train"])
    plan_view.show_plan(plan, as_json=False)
    shown = capsys.readouterr().out
    assert "plan of tiny" in shown
    assert f"to extract: 48 prompts, {printed['cost']['tokens']:,} tokens" in shown
    assert "as timed on this machine with random numbers" in shown
    assert f"to fit: {len(plan.fits)} times a method" in shown
    assert "in all about" in shown
    assert "protocol 1 but for datasets, limits.train, limits.validation, limits.test, shots" in shown
    plan_view.show_plan(plan, None, ["other: its file is missing"], as_json=False)
    assert "cannot be read: other: its file is missing" in capsys.readouterr().out


def test_counts_follow_what_is_published(world, capsys):
    plan = world.plan()
    compute(plan, ("examples", "anchors"))
    plan_view.show_plan(plan, as_json=True)
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert steps["examples"] == steps["anchors"] == {"all": 1, "published": 1, "missing": 0}
    assert steps["states"] == {"all": 3, "published": 0, "missing": 3}


def test_the_start_prints_what_is_missing(world, ran, capsys):
    plan_view.print_start(world.plan())
    printed = " ".join(capsys.readouterr().err.split())
    assert "1 examples, 1 anchors, 3 states, 22 predictions, 22 metrics, 4 comparisons, 1 runs" in printed
    plan_view.print_start(ran[0].plan())
    assert "everything is published, nothing to do" in capsys.readouterr().err


def test_data_that_no_run_has_read_are_read_for_the_plan(world, capsys):
    plan, lengths, unread = read_data(world.plan())
    assert unread == []
    plan_view.show_plan(plan, lengths, as_json=True)
    page = json.loads(capsys.readouterr().out)
    assert page["steps"]["examples"]["published"] == 0, "nothing is written for a plan"
    assert page["cost"]["prompts"] == sum(SPLITS.values())
    assert page["cost"]["unread"] == []
    compute(plan, ("examples",))
    plan_view.show_plan(plan, as_json=True)
    assert json.loads(capsys.readouterr().out)["cost"]["tokens"] == page["cost"]["tokens"]


def test_data_that_cannot_be_read_are_named(world):
    plan = world.plan()
    (world.folder / "train.jsonl").write_text('{"text": " ", "label": "neg"}\n')
    _, lengths, (reason,) = read_data(plan)
    assert lengths == {}
    assert reason.startswith("made: ")
    assert "empty text" in reason
