"""A changed source is told by an event, once it is other bytes than those that were read; nothing else is."""

import shutil
import time

import httpx
import pytest

from flows.watch import watch
from tests.tasks.worlds import World, compute, sentences, server, write_rows


@pytest.fixture
def read(world):
    """A world whose examples were read, and nothing else computed."""
    compute(world.plan(), kinds=["examples"])
    return world


@pytest.fixture
def look(recorded):
    def look(world, **parameters):
        with recorded(world.home):
            return watch([world.card], home=str(world.home.root), **parameters)

    return look


def told(world):
    """The payloads of the events about this world's card."""
    deadline = time.monotonic() + 30
    query = {"event": {"name": ["vocabsem.source.changed"]}, "resource": {"id": ["vocabsem.dataset.made"]}}
    while True:
        answer = httpx.post(f"{server()}/events/filter", json={"filter": query}, trust_env=False).raise_for_status()
        payloads = [event["payload"] for event in answer.json()["events"]]
        found = [payload for payload in payloads if payload["parameters"]["experiment"] == world.card]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def change(world):
    write_rows(world.folder / "train.jsonl", sentences(seed=1)[:-24])


def test_a_changed_file_is_told_with_what_reads_it_anew(read, look):
    assert look(read) == []
    change(read)
    assert look(read) == ["made"]
    (payload,) = told(read)
    asked = payload["parameters"]
    assert payload["dataset"] == "made"
    assert asked["overrides"] == {"datasets": [str(read.folder / "dataset.yaml")], "name": "tiny-made"}
    assert asked["home"] == str(read.home.root)

    again = read.plan(**asked["overrides"])
    assert again.experiment.name == "tiny-made"
    assert not any(again.published(step) for step in again.steps() if step.kind in ("examples", "states"))
    compute(again, kinds=["examples"])
    assert look(read) == [], "what was read since is not told again"


def test_what_is_computed_anew_is_only_what_the_change_touches(read, look):
    compute(read.plan(), kinds=["anchors"])
    before = {step.kind: step.key for step in read.plan().steps()}
    change(read)
    after = read.plan()
    assert {step.kind for step in after.steps() if step.key == before[step.kind]} == {"anchors"}
    assert after.published(after.pairs[0].anchors)


def test_a_touched_file_and_a_file_that_went_back_are_no_change(read, look):
    before = (read.folder / "train.jsonl").read_bytes()
    change(read)
    (read.folder / "train.jsonl").write_bytes(before)
    assert look(read) == []


def test_what_was_never_read_is_left_to_those_who_want_it(world, look):
    assert look(world) == []


def test_a_changed_card_is_no_changed_source(read, look):
    read.write_dataset(template="movie review : {text} it is")
    read.write_experiment(limits={"train": 30})
    assert look(read) == []


def test_limits_that_a_schedule_sets_are_heeded(read, look):
    change(read)
    assert look(read, overrides={"limits.train": 30}) == [], "never read with this limit"
    assert look(read, overrides={"shots": [1]}) == ["made"]


def test_a_local_copy_stands_for_the_source(tmp_path, look):
    folder = tmp_path / "copies" / "made"
    local = {"folder": "made", "fields": {"text": "text"}, "values": ["neg", "pos", "tale"]}
    world = World(tmp_path, dataset={"local": local})
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        shutil.copy(tmp_path / f"{split}.jsonl", folder)
    from flows.planning.experiment import load_experiment
    from flows.planning.plan import make_plan

    compute(make_plan(load_experiment(world.card), world.home, folder.parent), kinds=["examples"])
    assert look(world, data_dir=str(folder.parent)) == []
    change(world)
    assert look(world, data_dir=str(folder.parent)) == [], "the card's own source is not what was read"
    shutil.copy(tmp_path / "train.jsonl", folder)
    assert look(world, data_dir=str(folder.parent)) == ["made"]


def test_a_source_pinned_by_its_hash_cannot_change(world, look):
    from vocabsem.sources.fetching import sha256_of

    hashes = {split: sha256_of(world.folder / f"{split}.jsonl") for split in ("train", "test")}
    world.write_dataset(sha256=hashes)
    compute(world.plan(), kinds=["examples"])
    change(world)
    assert look(world) == []


def test_a_hub_that_does_not_answer_is_no_change(world, look, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    splits = {"train": "train", "test": "test"}
    world.write_dataset(files={"all": "hf:datasets/org/name@main"}, format="hub", splits=splits)
    assert look(world) == []
