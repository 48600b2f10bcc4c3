"""Hashes of sources: of the card where it has them, of what was fetched, none of what never was."""

import hashlib

from flows.planning.hashes import cached_hash, source_hashes
from tests.tasks.worlds import World, dataset_card
from vocabsem.cards.schema import DatasetCard
from vocabsem.sources.fetching import fetch

PINNED = "c" * 64


def card(folder, **changes):
    return DatasetCard.model_validate(dataset_card(folder, **changes))


def test_a_file_of_this_machine_is_hashed_once_it_was_read(tmp_path):
    world = World(tmp_path)
    source = f"file:{tmp_path / 'train.jsonl'}"
    fetch(source, world.home.cache)
    assert cached_hash(source, world.home) == hashlib.sha256((tmp_path / "train.jsonl").read_bytes()).hexdigest()


def test_a_hash_of_the_card_stands_for_its_split_alone(tmp_path):
    world = World(tmp_path)
    away = {"train": "hf:nobody/nothing@main/train.jsonl", "test": "hf:nobody/nothing@main/test.jsonl"}
    assert source_hashes(card(tmp_path, files=away, sha256={"test": PINNED}), world.home) == {
        "train": None,
        "test": PINNED,
    }
    assert cached_hash(away["train"], world.home) is None
