"""Stages: missing steps to their tasks, finished ones left alone."""

import shutil

import pytest

from flows.calibrate import calibrate
from flows.evaluate import evaluate
from flows.execution import stages
from flows.execution.opening import plan_from_parameters
from flows.execution.stages import check_published, unique
from flows.extract import extract
from tasks.examples import build_examples
from tasks.fetch import fetch_card
from tests.tasks.worlds import SPLITS, compute, dataset_card, model, snapshot, write_card
from tests.tasks.worlds import extract as extract_shards
from vocabsem.errors import DataError, LabelWordError
from warehouse.errors import NotPublished
from warehouse.lake.partition import Lake


def arguments(world, **overrides):
    return {"experiment": world.card, "overrides": overrides, "home": str(world.home.root)}


def test_a_step_that_several_comparisons_share_is_done_once(world):
    plan = world.plan()
    (pair,) = plan.pairs
    twice = [(pair.anchors, pair), (pair.examples, pair), (pair.anchors, pair)]
    assert [step.kind for step, _ in unique(iter(twice))] == ["anchors", "examples"]


def test_what_is_missing_is_named_with_the_command_that_makes_it(world):
    plan = world.plan()
    for kind, verb in (("states", "extract"), ("anchors", "anchors"), ("predictions", "calibrate")):
        with pytest.raises(NotPublished, match=f"{kind} of .* not there yet: .*`vocabsem {verb}`"):
            check_published(plan, kind)
    compute(plan, ("anchors",))
    check_published(plan, "anchors")


def test_a_stage_before_its_time_does_nothing(world, recorded):
    with recorded(world.home):
        for flow in (calibrate, evaluate):
            with pytest.raises(NotPublished):
                flow(**arguments(world))
    assert not world.home.lake.exists()


@pytest.mark.medium
def test_shards_of_a_killed_run_are_kept_also_those_of_another_size(world, recorded):
    plan = world.plan()
    (pair,) = plan.pairs
    build_examples.fn(plan.home, pair.dataset, fetch_card.fn(plan.home, pair.dataset), pair.examples)
    extract_shards(plan, pair, "train", [(0, 16), (32, 48)])
    extract_shards(plan, pair, "test", [(0, 16)])
    before = {path: at for path, at in snapshot(world.home.lake).items() if path.suffix == ".parquet"}
    with recorded(world.home):
        keys = extract(**arguments(world))
    assert sorted(keys) == sorted(step.key for step in pair.states.values())
    assert before.items() <= snapshot(world.home.lake).items()
    shutil.rmtree(pair.states["test"].partition(Lake(world.home)).path)
    extract_shards(plan, pair, "test", [(0, 16)])
    with recorded(world.home):
        extract(**arguments(world, shard_rows=9))
    for split, step in pair.states.items():
        partition = step.partition(Lake(world.home))
        partition.verify()
        assert len(partition.table()) == SPLITS[split]
    files = [entry.rows for entry in pair.states["test"].partition(Lake(world.home)).manifest().files]
    assert files == [16, 8]


def test_extracting_what_is_there_changes_nothing(world, recorded):
    plan = world.plan()
    compute(plan, ("examples", "states"))
    before = snapshot(world.home.lake)
    with recorded(world.home):
        extract(**arguments(world))
    assert snapshot(world.home.lake) == before


@pytest.mark.medium
@pytest.mark.parametrize(
    "requested",
    [
        {"shots": [0, 21]},
        {"methods": [{"method": "linear_probe", "shots": [21]}]},
        {"methods": [{"method": "zero_shot", "demonstrations": 21}], "on_insufficient": "use_all"},
    ],
    ids=["experiment", "method", "demonstrations"],
)
def test_too_many_shots_are_reported_before_any_state_is_computed(world, recorded, requested):
    with recorded(world.home), pytest.raises(DataError, match=r"21 shots of dataset 'made', whose class '\w+' has 20"):
        extract(**arguments(world, **requested))
    assert not list(world.home.lake.rglob("states/**/*.parquet"))


def test_too_many_shots_of_a_second_data_set_are_reported_before_demonstrations_of_the_first(world, recorded):
    second = dataset_card(world.folder, name="second", split={"validation": 0.8})
    entries = [str(world.folder / "dataset.yaml"), str(write_card(world.folder / "second.yaml", second))]
    requested = {"datasets": entries, "methods": ["centroid", {"method": "zero_shot", "demonstrations": 1}]}
    requested |= {"shots": [0, 10], "seeds": [0]}
    with recorded(world.home), pytest.raises(DataError, match=r"10 shots of dataset 'second', whose class '\w+' has 5"):
        extract(**arguments(world, **requested))
    assert {path.name for path in world.home.lake.iterdir()} == {"examples"}


def test_too_many_shots_are_reported_before_the_model_is_read_if_examples_are_there(world, recorded, monkeypatch):
    compute(world.plan(), ("examples",))
    monkeypatch.setattr(stages, "fetch_card", None)
    with recorded(world.home), pytest.raises(DataError, match="21 shots of dataset 'made'"):
        extract(**arguments(world, shots=[0, 21]))


def test_demonstrations_that_leave_no_room_are_reported_before_any_state_is_computed(world, recorded):
    write_card(world.folder / "model.yaml", model().model_dump(mode="json") | {"context": 64, "max_tokens": 32})
    requested = {"methods": ["centroid", {"method": "zero_shot", "demonstrations": 4}]}
    messages = r"4 demonstrations per class of dataset 'made' are \d+ tokens, which leaves no room for a question in 64"
    with recorded(world.home), pytest.raises(DataError, match=messages):
        extract(**arguments(world, **requested))
    assert not list(world.home.lake.rglob("states/**/*.parquet"))


def test_one_bad_data_set_is_reported_before_the_work_on_another(world, recorded):
    labels = dataset_card(world.folder)["labels"]
    wrong = dataset_card(world.folder, name="wrong", labels=[labels[0] | {"word": "wonderful"}, *labels[1:]])
    path = write_card(world.folder / "wrong.yaml", wrong)
    datasets = [str(world.folder / "dataset.yaml"), str(path)]
    with recorded(world.home), pytest.raises(LabelWordError, match="dataset 'wrong'"):
        extract(**arguments(world, datasets=datasets))
    assert not world.home.lake.exists()


def test_a_plan_whose_sources_are_known_fetches_nothing(world):
    plan = plan_from_parameters(world.card, None, str(world.home.root), None)
    assert plan.unfetched == []
    assert not (world.home.cache / "pypi").exists()
