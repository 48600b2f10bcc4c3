"""A partition read some rows at a time: the rows that it has as a whole."""

import numpy as np
import pyarrow as pa
import pytest

from tests.warehouse.lakes import put
from warehouse.errors import CorruptPartition, NotPublished
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors


@pytest.fixture
def partition(home):
    rows = pa.table({"id": [f"{i}" for i in range(50)], "x": vectors(np.arange(100, dtype=np.float32).reshape(50, 2))})
    parts = {"part-00000000-00000030.parquet": rows[:30], "part-00000030-00000050.parquet": rows[30:]}
    return Lake(home).of(put(Lake(home), "toys", parts, split="all"))


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
def test_the_rows_are_those_of_the_whole(partition, size):
    batches = list(partition.batches(["id", "x"], size))
    assert all(0 < len(batch) <= size for batch in batches)
    assert pa.Table.from_batches(batches).equals(partition.table(["id", "x"]))
    assert next(partition.batches(["x"], size)).column_names == ["x"]


def test_damage_is_reported(partition):
    with pytest.raises(NotPublished, match=r"no columns \['y'\]"):
        list(partition.batches(["y"], 8))
    part = partition.path / "part-00000030-00000050.parquet"
    spoiled = bytearray(part.read_bytes())
    spoiled[60] ^= 1
    part.write_bytes(spoiled)
    batches = partition.batches(["id", "x"], 8)
    assert len(next(batches)) == 8, "the first part is sound"
    with pytest.raises(CorruptPartition, match="is damaged"):
        list(batches)
