"""What a card lacks, combination by combination: the same keys as the whole plan, skipped, resumed, isolated."""

import shutil
from dataclasses import replace

import pytest

from flows.backfill import BackfillFailed, at_budget, backfill
from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from tests.flows.command import command
from tests.flows.test_pipeline import ask
from tests.tasks.worlds import World, dataset_card, server, snapshot, write_card
from vocabsem.errors import CardError
from warehouse.catalog import catalog, reads
from warehouse.home import Home

METHODS = ["centroid", "zero_shot", {"method": "zero_shot", "demonstrations": 1}]


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    """A world with a second data set, whose file is missing."""
    folder = tmp_path_factory.mktemp("two")
    lost = dataset_card(folder, name="lost", files={"all": f"file:{folder / 'lost.jsonl'}"}, split={"test": 0.2})
    entries = [str(write_card(folder / "lost.yaml", lost)), str(folder / "dataset.yaml")]
    changes = {"datasets": entries, "methods": METHODS, "shots": [0, 4], "seeds": [0], "champion": False}
    return World(folder, experiment=changes)


@pytest.fixture
def fill(recorded):
    def fill(world, **chosen):
        with recorded(world.home):
            return backfill(world.card, home=str(world.home.root), **chosen)

    return fill


def test_one_combination_is_computed_and_the_rest_is_not(two, fill):
    (row,) = fill(two, datasets=["made"], shots=[4])
    whole = make_plan(load_experiment(two.card, {"datasets": [two.folder / "dataset.yaml"]}), two.home)
    published = [step for step in whole.steps() if whole.published(step)]
    fits = {fit.predictions.key: fit for fit in whole.pairs[0].fits}
    assert row == {
        "model": two.plan().experiment.models[0],
        "dataset": str(two.folder / "dataset.yaml"),
        "shots": 4,
    } | {
        "computed": len(published),
        "error": None,
    }
    assert [fits[step.key].shots for step in published if step.kind == "predictions"] == [4]
    assert "states" in {step.kind for step in published}
    assert not any("demos" in role for role, step in whole.pairs[0].states.items() if whole.published(step))
    assert catalog.query(two.home, "select distinct shots from metrics").to_pydict() == {"shots": ["4"]}

    before = snapshot(two.home.lake)
    (row,) = fill(two, datasets=["made"], shots=[4])
    assert row["computed"] == 0
    assert snapshot(two.home.lake) == before, "the second time nothing is written"


def test_a_combination_that_fails_does_not_stop_the_others(two, fill):
    with pytest.raises(BackfillFailed, match=r"3 of 6 combinations failed, the first with: .*lost\.jsonl.*the others"):
        fill(two)
    made = make_plan(load_experiment(two.card, {"datasets": [two.folder / "dataset.yaml"]}), two.home)
    assert [step.kind for step in made.missing()] == ["runs"]
    table = ask("artifacts", artifacts={"key": {"any_": ["backfill-tiny"]}}, sort="CREATED_DESC")[0]["data"]
    assert '"shots": 0' in table
    assert "lost.jsonl" in table


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"models": ["gpt9"]}, "has no model 'gpt9': it has tiny-llama"),
        ({"datasets": ["maid"]}, "has no data set 'maid': it has lost, made"),
        ({"shots": [16]}, "has no number of shots 16: it has 4, 0, 1"),
    ],
)
def test_what_the_card_does_not_have_is_refused(two, fill, chosen, said):
    with pytest.raises(CardError, match=f"experiment 'tiny' {said}"):
        fill(two, **chosen)


def test_the_command_says_what_it_found_and_refuses_what_is_no_budget(ran):
    world, _ = ran
    done = command(world.home, "backfill", world.card, "--shots", 4, "--shots", "all", api=server())
    assert (done.returncode, done.stdout) == (0, "2 combinations: 2 were there, 0 partitions computed\n")
    done = command(world.home, "backfill", world.card, "--shots", "few")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --shots 'few': expected a number of examples per class, or all\n",
    )


def test_the_parts_of_a_plan_are_its_steps_under_the_same_keys(world):
    plan = world.plan()
    parts = [at_budget(plan, shots) for shots in plan.experiment.shots]
    assert all(
        fit.shots == shots
        for shots, part in zip(plan.experiment.shots, parts, strict=True)
        for c in part.pairs
        for fit in c.fits
    )
    steps = {step.key for part in parts for step in part.steps() if step.kind != "runs"}
    assert steps == {step.key for step in plan.steps() if step.kind != "runs"}


def test_a_backfill_goes_on_where_a_run_was_cut_and_ends_as_it_would_have(ran, tmp_path, fill):
    world, key = ran
    cut = replace_home(world, tmp_path)
    plan = replace(world.plan(), home=cut.home)
    lost = plan.pairs[0].fits[-1]
    for step in (lost.predictions, lost.metrics, plan.run):
        shutil.rmtree(step.partition(plan.lake).path)
    assert len(plan.missing()) == 3
    rows = fill(cut)
    assert sum(row["computed"] for row in rows) == 2
    assert {row["shots"] for row in rows if row["computed"]} == {lost.shots}
    assert plan.missing() == []
    assert plan.run.key == key
    ours, theirs = ([row | {"fit_seconds": 0} for row in reads.run_scores(each.home, key)] for each in (cut, world))
    assert ours == theirs


def replace_home(world, folder):
    """The world with a copy of its home."""
    copy = World.__new__(World)
    copy.folder, copy.home = world.folder, Home(folder / "home")
    shutil.copytree(world.home.root, copy.home.root)
    return copy
