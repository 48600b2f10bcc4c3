"""Sums over shards against the rows that were written."""

import numpy as np
import pyarrow as pa
import pytest

from tasks.steps.checks import heads_guard
from tasks.steps.shard_reads import read_shards
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors

LAYERS = (1, "3:mean")
RANDOM = np.random.default_rng(0)


@pytest.fixture
def write(tmp_path):
    """Writes shards of vectors, and reads them."""
    partition = Lake(Home(tmp_path)).partition("states", "a" * 64, model="m", dataset="d", split="test")

    def run(*shards, guard="1e-07"):
        entries = []
        for number, (ids, rows) in enumerate(shards):
            columns = {
                "id": ids,
                "tokens": pa.array([5] * len(ids), pa.int32()),
                "truncated": [False, True][: len(ids)],
            }
            columns |= {"layer_1": vectors(rows[0]), "layer_3_mean": vectors(rows[1])}
            metadata = {"seconds": "0.250"} | ({"guard": guard} if number == 0 else {})
            table = pa.table(columns).replace_schema_metadata(metadata)
            entries.append(partition.write_table(f"part-{number}.parquet", table))
        return read_shards(partition, entries, LAYERS)

    return run


def rows(n, width=4):
    return RANDOM.standard_normal((2, n, width)).astype(np.float32)


def test_norms_ids_and_counts_are_those_of_all_shards(write):
    one, other = rows(2), rows(1)
    read = write((["a", "b"], one), (["c"], other))
    assert read.layers == ("layer_1", "layer_3_mean")
    assert read.ids == ["a", "b", "c"]
    assert (read.tokens, read.truncated, read.seconds, read.guard) == (15, 1, 0.5, "1e-07")
    expected = np.linalg.norm(np.concatenate([one, other], axis=1), axis=2)
    np.testing.assert_allclose(read.norms, expected, rtol=1e-6)  # float32


def test_checks_pass_for_as_many_rows_and_fail_for_others(write):
    read = write((["a", "b"], rows(2)))
    assert all(check["passed"] for check in read.checks(2))
    wrong = {check["name"]: check["passed"] for check in read.checks(3)}
    assert not wrong["a row for every example"]
    assert wrong["unique ids"]


def test_repeated_ids_and_numbers_that_are_none_do_not_pass(write):
    bad = rows(2)
    bad[0, 1, 0] = np.nan
    failed = {check["name"] for check in write((["a", "a"], bad)).checks(2) if not check["passed"]}
    assert {"unique ids", "finite"} <= failed


def test_a_guard_states_how_near_the_projection_was():
    check = heads_guard("2e-07")
    assert (check["passed"], check["name"]) == (True, "projected heads equal the attention block's output")
    assert check["detail"] == "largest difference 2e-07 of a layer's largest output"
