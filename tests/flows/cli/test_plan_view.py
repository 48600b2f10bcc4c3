"""The plan as it is printed."""

import json

from flows.cli import plan_view
from tests.tasks.worlds import compute


def test_a_plan_is_printed_as_text_and_as_json(world, capsys):
    plan = world.plan(**{"limits.train": 30, "limits.validation": 6, "limits.test": 12})
    plan_view.show_plan(plan, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    kinds = ["examples", "anchors", "demonstrations", "states", "predictions", "metrics", "comparisons", "runs"]
    assert list(printed["steps"]) == kinds
    assert all(count["all"] == count["missing"] for count in printed["steps"].values())
    assert printed["cost"]["prompts"] == 48
    plan_view.show_plan(plan, as_json=False)
    shown = capsys.readouterr().out
    assert "plan of tiny" in shown
    assert f"to extract: 48 prompts, {printed['cost']['tokens']:,} tokens" in shown
    assert "a rough guess before the first run" in shown


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
