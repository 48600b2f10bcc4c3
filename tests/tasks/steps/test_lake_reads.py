"""What steps read from the lake."""

import shutil

import numpy as np
import pytest

from tasks.steps import lake_reads
from tasks.steps.lake_reads import read_bytes, read_states, split_rows, state_blocks
from tests.tasks.worlds import SPLITS, World, compute
from warehouse.errors import NotPublished
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_has_its_rows_in_their_published_order(done, split):
    (pair,) = done.pairs
    whole = pair.examples.partition(Lake(done.home)).table().to_pylist()
    rows = split_rows(done.home, "made", pair.examples.key, split)
    assert rows.to_pylist() == [row for row in whole if row["split"] == split]
    assert len(rows) == SPLITS[split]


@pytest.mark.parametrize("split", SPLITS)
def test_states_come_with_the_labels_of_their_examples(done, split):
    (pair,) = done.pairs
    step = pair.states[split]
    ids, labels, states = read_states(done.home, pair.model.name, "made", split, step.key)
    rows = split_rows(done.home, "made", pair.examples.key, split)
    assert ids == rows["id"].to_pylist()
    assert labels.tolist() == rows["label"].to_pylist()
    assert labels.dtype == np.int64
    assert states.shape == (SPLITS[split], 32)
    assert states.dtype == np.float32


def test_several_layers_lie_side_by_side_in_ascending_order(tmp_path):
    plan = World(tmp_path, experiment={"layers": ["last", 0, -2]}).plan()
    compute(plan, ("examples", "states"))
    (pair,) = plan.pairs
    step = pair.states["test"]
    _, _, states = read_states(plan.home, pair.model.name, "made", "test", step.key)
    table = step.partition(Lake(plan.home)).table()
    assert step.spec.layers == (0, 2, 3)
    expected = np.concatenate([matrix(table[f"layer_{layer}"]) for layer in (0, 2, 3)], axis=1)
    np.testing.assert_array_equal(states, expected)


def test_shared_states_cannot_be_written_to(done):
    (pair,) = done.pairs
    _, _, states = read_states(done.home, pair.model.name, "made", "test", pair.states["test"].key)
    with pytest.raises(ValueError, match="read-only"):
        states[0] = 0


def test_large_states_are_mapped_from_a_file_with_the_same_rows(tmp_path, monkeypatch):
    plan = World(tmp_path, experiment={"layers": ["last", 0]}).plan()
    compute(plan, ("examples", "states"))
    (pair,) = plan.pairs
    step = pair.states["train"]
    read = plan.home, pair.model.name, "made", "train", step.key
    ids, labels, states = read_states(*read)
    monkeypatch.setattr(lake_reads, "MAX_CACHED_BYTES", 0)
    monkeypatch.setattr(lake_reads, "BLOCK", 5 * states[0].nbytes)
    for _ in range(2):
        lake_reads._read_mapped.cache_clear()
        again = read_states(*read)
        assert again[0] == ids
        np.testing.assert_array_equal(again[1], labels)
        np.testing.assert_array_equal(again[2], states)
    (file,) = (plan.home.cache / "states").iterdir()
    assert file.name.startswith(f"{step.key}-")

    lost = step.partition(Lake(plan.home)).path
    others = [path.read_bytes() for path in sorted(lost.glob("part-*"))]
    shutil.rmtree(lost)
    plan = World(tmp_path, experiment={"layers": ["last", 0], "shard_rows": 7}).plan()
    compute(plan, ("examples", "states"))
    assert [path.read_bytes() for path in sorted(lost.glob("part-*"))] != others
    lake_reads._read_mapped.cache_clear()
    stored = np.concatenate([block for *_, block in state_blocks(*read)])
    np.testing.assert_array_equal(read_states(*read)[2], stored)
    assert len(list((plan.home.cache / "states").iterdir())) == 2, "extracted again: not the file of what was removed"


def test_memory_that_is_read_grows_no_more_once_it_is_mapped():
    most = lake_reads.MAX_CACHED_BYTES
    assert read_bytes(most) == most
    assert read_bytes(100 * most) == read_bytes(10 * most) == 2 * lake_reads.BLOCK


def test_what_was_never_published_is_stated(world):
    (pair,) = world.plan().pairs
    with pytest.raises(NotPublished, match="never published"):
        split_rows(world.home, "made", pair.examples.key, "train")
