"""The pipeline on a schedule watches its sources: what reads a changed one is computed anew, and nothing else is."""

import shutil

import pytest

from flows.execution.opening import plan_from_parameters
from flows.pipeline import pipeline
from tests.tasks.worlds import World, compute, sentences, snapshot, write_rows
from vocabsem.sources import digests, fetching

SMALL = {"methods": ["centroid"], "shots": [4], "seeds": [0], "champion": False}


@pytest.fixture
def read(world):
    """A world whose examples were read, and nothing else computed."""
    compute(world.plan(), kinds=["examples"])
    return world


@pytest.fixture
def planned(recorded):
    """Makes the plan of a world as the pipeline opens it, in a flow of its own."""
    from prefect import flow

    @flow
    def opens(world, data_dir):
        return plan_from_parameters(world.card, None, str(world.home.root), data_dir, refresh=True)

    def make(world, data_dir=None):
        with recorded(world.home):
            return opens.with_options(validate_parameters=False)(world, data_dir)

    return make


def examples_of(plan):
    (pair,) = plan.pairs
    return pair.examples


def change(world):
    write_rows(world.folder / "train.jsonl", sentences(seed=1)[:-24])


@pytest.mark.slow
def test_the_next_run_computes_anew_what_a_change_touches_and_records_it(tmp_path, recorded):
    world = World(tmp_path, experiment=SMALL)
    with recorded(world.home):
        first = pipeline(world.card, home=str(world.home.root))
        before = snapshot(world.home.lake)
        assert pipeline(world.card, home=str(world.home.root)) == first
        assert snapshot(world.home.lake) == before, "nothing changed, nothing is written"
        change(world)
        assert pipeline(world.card, home=str(world.home.root)) != first
    now = snapshot(world.home.lake)
    assert before.items() <= now.items(), "beside the old"
    kinds = {path.relative_to(world.home.lake).parts[0] for path in now.keys() - before.keys()}
    assert kinds == {"examples", "states", "predictions", "metrics", "runs"}, "and no anchors"


def test_a_touched_file_and_a_file_that_went_back_are_no_change(read, planned):
    before = (read.folder / "train.jsonl").read_bytes()
    change(read)
    plan = planned(read)
    assert not plan.published(examples_of(plan))
    (read.folder / "train.jsonl").write_bytes(before)
    plan = planned(read)
    assert plan.published(examples_of(plan))


def test_a_local_copy_stands_for_the_source(tmp_path, planned):
    folder = tmp_path / "copies" / "made"
    local = {"folder": "made", "fields": {"text": "text"}, "values": ["neg", "pos", "tale"]}
    world = World(tmp_path, dataset={"local": local})
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        shutil.copy(tmp_path / f"{split}.jsonl", folder)
    first = examples_of(planned(world, str(folder.parent))).key
    change(world)
    assert examples_of(planned(world, str(folder.parent))).key == first, "the card's own source is not read"
    shutil.copy(tmp_path / "train.jsonl", folder)
    assert examples_of(planned(world, str(folder.parent))).key != first


def test_a_source_pinned_by_its_hash_is_never_requested(world, planned, monkeypatch):
    hashes = {split: digests.sha256_of(world.folder / f"{split}.jsonl") for split in ("train", "test")}
    world.write_dataset(sha256=hashes)
    monkeypatch.setattr(fetching, "refresh", lambda *_: pytest.fail("it cannot change"))
    first = examples_of(planned(world)).key
    change(world)
    assert examples_of(planned(world)).key == first


def test_a_hub_that_does_not_answer_is_no_change(world, planned, monkeypatch):
    """Its receipt and bytes are there, of a commit that `main` named once."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source, file = "hf:datasets/org/name@main", world.folder / "train.jsonl"
    world.write_dataset(files={"all": f"{source}/train.jsonl"}, split={"test": 0.2, "validation": 0.2})
    fetching._keep(f"{source}/train.jsonl", world.home.cache, file, str(file), "0" * 40, None)
    assert planned(world).unfetched == []
