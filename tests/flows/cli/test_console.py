"""What is told of plans and scores."""

import json

import numpy as np
import pytest

from flows.cli import console
from flows.reporting.effects import gains
from tests.tasks.worlds import compute
from vocabsem.errors import BadInput
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


def test_a_plan_is_told_in_words_and_in_json(world, capsys):
    plan = world.plan(**{"limits.train": 30, "limits.validation": 6, "limits.test": 12})
    console.show_plan(plan, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert list(told["steps"]) == ["examples", "anchors", "states", "predictions", "metrics", "comparisons", "runs"]
    assert all(count["all"] == count["missing"] for count in told["steps"].values())
    assert told["cost"]["prompts"] == 48
    console.show_plan(plan, as_json=False)
    shown = capsys.readouterr().out
    assert "plan of tiny" in shown
    assert f"to extract: 48 prompts, {told['cost']['tokens']:,} tokens" in shown
    assert "a rough guess before the first run" in shown


def test_counts_follow_what_is_published(world, capsys):
    plan = world.plan()
    compute(plan, ("examples", "anchors"))
    console.show_plan(plan, as_json=True)
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert steps["examples"] == steps["anchors"] == {"all": 1, "published": 1, "missing": 0}
    assert steps["states"] == {"all": 3, "published": 0, "missing": 3}


def test_the_beginning_tells_what_is_missing(world, ran, capsys):
    console.print_start(world.plan())
    told = " ".join(capsys.readouterr().err.split())
    assert "1 examples, 1 anchors, 3 states, 22 predictions, 22 metrics, 4 comparisons, 1 runs" in told
    console.print_start(ran[0].plan())
    assert "everything is published, nothing to do" in capsys.readouterr().err


def test_the_leaderboard_is_filtered_and_what_there_is_is_named(ran):
    home = ran[0].home
    everything = console.leaderboard_table(home, None, None)
    assert console.leaderboard_table(home, "tiny", "made") == everything
    assert len(everything) == len(ran[0].plan().pairs[0].fits)
    for wrong in (("other", None), (None, "other"), ("tiny", "other")):
        with pytest.raises(BadInput, match="there are tiny/made"):
            console.leaderboard_table(home, *wrong)


def test_the_ending_shows_each_methods_best_and_where_to_look(ran, capsys):
    world, _ = ran
    console.print_summary(world.plan())
    shown = capsys.readouterr().out
    rows = console.leaderboard_table(world.home, "tiny", "made").to_pylist()
    for name in {row["method"] for row in rows}:
        mine = [row for row in rows if row["method"] == name]
        best = max(mine, key=lambda row: row["macro_f1"])
        line = next(line for line in shown.splitlines() if line.split()[:1] == [name])
        assert all(f"{row['macro_f1']:.3f}" in line for row in mine)
        assert f"{best['macro_f1_low']:.3f} to {best['macro_f1_high']:.3f}" in line
    (lines,) = gains(world.home, world.plan().run.key).values()
    assert len(lines) >= 3
    assert [line.strip() for line in shown.splitlines() if "gain over random anchors: " in line] == lines
    assert "average rank" not in shown, "one data set is no average"
    assert "vocabsem up" in shown
    assert "vocabsem-made@champion" in shown


def test_neighbors_are_nearest_by_the_cosine_of_anchors(ran):
    world, _ = ran
    plan = world.plan()
    table = plan.pairs[0].anchors.partition(Lake(world.home)).table()
    anchors = matrix(table["anchor"]).astype(np.float64)
    tokens = table["token"].to_pylist()
    place = tokens.index("Ġbad")
    units = anchors / np.linalg.norm(anchors, axis=1, keepdims=True)
    cosines = units @ units[place]
    nearest = [i for i in np.argsort(-cosines) if i != place][:5]
    found = console.nearest_tokens_table(world.home, "tiny-llama", "Ġbad", 5).to_pylist()
    assert [row["token"] for row in found] == [tokens[i] for i in nearest]
    assert [row["cosine"] for row in found] == pytest.approx(cosines[nearest], abs=1e-6)


def test_a_token_in_another_spelling_is_suggested(ran):
    with pytest.raises(BadInput, match="'ĠBAD' is no single token of 'tiny-llama': it has 'Ġbad'"):
        console.nearest_tokens_table(ran[0].home, "tiny-llama", "ĠBAD", 5)


def test_the_schema_page_has_every_column_with_its_comment(ran):
    page = console.schema_page(ran[0].home)
    described = 0
    for block in page.split("\n\n"):
        heading, *columns = block.splitlines()
        assert heading.partition(": ")[2], heading
        if "(macro)" not in heading:  # whose parameters are words
            assert all(len(line.split(maxsplit=2)) == 3 for line in columns)
            described += len(columns)
    assert described > 50
