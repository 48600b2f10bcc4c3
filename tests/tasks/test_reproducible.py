"""The same card twice, with other threads, batches, shards and blocks: the same rows and, but for rounding, answers."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from tasks.steps import lake_reads
from tasks.steps.samples import split_by_seed
from tests.tasks.worlds import World, compute
from vocabsem.states.batching import TOKEN_BUDGET
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

ROUNDING = 2e-4  # of a probability: float32 states differ by 1e-5 of their size, which the sharpest softmax magnifies


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The plan of the session's world computed again: one prompt at a time, all in one shard, three rows a block."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1 if threads > 1 else 3):
        patch.setitem(TOKEN_BUDGET, "cpu", 1)
        patch.setattr(lake_reads, "MAX_CACHED_BYTES", 0)
        patch.setattr(lake_reads, "BLOCK", 3 * 4 * 32)
        patch.setattr("vocabsem.methods.base.BLOCK", 2 * 4 * 32)
        patch.setattr("vocabsem.methods.k_neighbors.ENTRIES", 1)
        patch.setattr("vocabsem.blocks.BLOCK", 7 * 8 * 32)
        torch.set_num_threads(1 if threads > 1 else 3)
        try:
            plan = World(tmp_path_factory.mktemp("other")).plan(shard_rows=1000)
            compute(plan)
        finally:
            torch.set_num_threads(threads)
    return plan


def predictions(plan):
    return {(f.name, f.shots): f.predictions.partition(Lake(plan.home)).table() for f in plan.pairs[0].fits}


def test_states_lie_in_other_files(done, other):
    files = [
        len(p.states["test"].partition(Lake(plan.home)).manifest().files) for plan in (done, other) for p in plan.pairs
    ]
    assert files == [2, 1]


def test_rows_and_labels_are_the_same_and_probabilities_but_for_rounding(done, other):
    again = predictions(other)
    assert predictions(done).keys() == again.keys()
    for fit, table in predictions(done).items():
        for column in ("id", "split", "seed", "label", "predicted"):
            assert table[column].to_pylist() == again[fit][column].to_pylist(), (fit, column)
        for split in ("validation", "test"):
            (_, _, first), (_, _, second) = (split_by_seed(each, split) for each in (table, again[fit]))
            assert np.abs(first - second).max() <= ROUNDING, (fit, split)


def test_the_examples_seen_are_the_same(done, other):
    for one, two in zip(done.pairs[0].fits, other.pairs[0].fits, strict=True):
        files = [f.predictions.partition(Lake(p.home)).file("training.parquet") for f, p in ((one, done), (two, other))]
        assert files[0].read_bytes() == files[1].read_bytes(), one.name


def test_metrics_are_the_same_but_for_rounding(done, other):
    for one, two in zip(done.pairs[0].fits, other.pairs[0].fits, strict=True):
        tables = [f.metrics.partition(Lake(p.home)).table() for f, p in ((one, done), (two, other))]
        first, second = (
            {tuple(row[k] for k in ("split", "seed", "metric")): row["value"] for row in t.to_pylist()} for t in tables
        )
        assert first.keys() == second.keys()
        scores = [key for key in first if key[-1] not in ("fit_seconds", "ari_before", "ari_after")]
        assert [first[key] for key in scores] == pytest.approx([second[key] for key in scores], abs=10 * ROUNDING), (
            one.name
        )
