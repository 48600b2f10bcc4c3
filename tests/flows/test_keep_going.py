"""`run --keep-going`: what fails stops nothing that does not need it, and is reported."""

import shutil
from dataclasses import replace

import pytest

from flows.execution.failures import StepsFailed
from flows.pipeline import pipeline
from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from tests.flows.command import command
from tests.flows.test_pipeline import ask
from tests.tasks.worlds import World, dataset_card, replace_home, server, snapshot, write_card
from vocabsem.errors import SourceError
from warehouse.catalog import catalog

pytestmark = pytest.mark.medium

METHODS = ["centroid", "zero_shot", {"method": "zero_shot", "demonstrations": 1}]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A world with a second data set, whose file is missing."""
    folder = tmp_path_factory.mktemp("two")
    lost = dataset_card(folder, name="lost", files={"all": f"file:{folder / 'lost.jsonl'}"}, split={"test": 0.2})
    entries = [str(write_card(folder / "lost.yaml", lost)), str(folder / "dataset.yaml")]
    changes = {"datasets": entries, "methods": METHODS, "shots": [0, 4], "seeds": [0], "champion": False}
    return World(folder, experiment=changes)


@pytest.fixture
def run(recorded):
    def run(world, **parameters):
        with recorded(world.home):
            return pipeline(world.card, home=str(world.home.root), **parameters)

    return run


def failures():
    return ask("artifacts", artifacts={"key": {"any_": ["failures-tiny"]}}, sort="CREATED_DESC")[0]["data"]


@pytest.mark.slow
def test_a_data_set_that_cannot_be_read_stops_itself_only(two, run):
    with pytest.raises(SourceError, match=r"lost\.jsonl"):
        run(two)
    assert not list(two.home.lake.rglob("manifest.json")), "without the option nothing is computed"
    with pytest.raises(StepsFailed, match=r"1 steps of experiment 'tiny' failed, .*lost\.jsonl.*run the same command"):
        run(two, keep_going=True)
    made = make_plan(load_experiment(two.card, {"datasets": [two.folder / "dataset.yaml"]}), two.home)
    assert [step.kind for step in made.missing()] == ["runs"], "all else is computed, and no run recorded"
    assert '"dataset": "lost"' in failures()
    before = snapshot(two.home.lake)
    done = command(two.home, "run", two.card, "--keep-going", api=server())
    assert (done.returncode, done.stderr.count("error: 1 steps of experiment 'tiny' failed")) == (1, 1)
    assert snapshot(two.home.lake) == before, "the second time nothing is written"


def test_a_number_of_shots_that_fails_stops_itself_only(world, run):
    settings = {
        "name": "tiny",
        "methods": ["centroid", "zero_shot"],
        "shots": [4, 1000],
        "seeds": [0],
        "champion": False,
    }
    with pytest.raises(StepsFailed, match=r"the first with: 1000 shots of dataset 'made', whose class"):
        run(world, overrides=settings, keep_going=True)
    missing = world.plan(**settings).missing()
    assert {step.coordinates.get("shots", "1000") for step in missing} == {"1000"}
    assert {"predictions", "metrics", "runs"} <= {step.kind for step in missing}
    assert "predictions centroid 1000" in failures()


def test_a_run_that_was_cut_ends_as_it_would_have(ran, tmp_path, run):
    world, key = ran
    cut = replace_home(world, tmp_path)
    plan = replace(world.plan(), home=cut.home)
    lost = plan.pairs[0].fits[-1]
    for step in (lost.predictions, lost.metrics, plan.run):
        shutil.rmtree(step.partition(plan.lake).path)
    assert run(cut, keep_going=True) == key
    assert plan.missing() == []
    query = "select method, shots, macro_f1, nll from lake.scores where run = $run order by all"
    assert catalog.query(cut.home, query, {"run": key}) == catalog.query(world.home, query, {"run": key})
