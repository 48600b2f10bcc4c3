"""Files that tasks of a partition leave for each other: others read them, and they are gone once they are discarded."""

import pyarrow as pa
import pytest

from warehouse.home import Home
from warehouse.lake.bucket import open_bucket
from warehouse.lake.intermediate import discard
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake

PAYLOAD = {"step": "test"}


def partition(home):
    return Lake(home).partition("anchors", partition_key(PAYLOAD), model="tiny")


def test_what_is_discarded_is_gone_and_the_parts_stay(tmp_path):
    one = partition(Home(tmp_path))
    part = one.write_table("part-0.parquet", pa.table({"id": ["a"]}))
    one.write_bytes("sum.safetensors", b"of rows")
    one.write_bytes("other.safetensors", b"of others")
    discard(one, ["sum.safetensors", "never-written.safetensors"])
    assert one.finished("sum.safetensors") is None
    assert one.finished("other.safetensors")
    one.publish([part], payload=PAYLOAD)
    discard(one, ["other.safetensors"])
    assert {path.name for path in one.path.iterdir()} == {"manifest.json", "part-0.parquet"}
    one.verify()


@pytest.mark.medium
def test_another_machine_reads_and_discards_them(machine, s3):
    one, two = partition(machine("one")), partition(machine("two"))
    one.write_bytes("sum.safetensors", b"of rows")
    entry = two.finished("sum.safetensors")
    assert two.written(entry).read_bytes() == b"of rows"
    discard(two, ["sum.safetensors"])
    assert [each.key for each in open_bucket(machine().url).list("lake/")] == []
    assert two.finished("sum.safetensors") is None
