"""States in a bucket, read where they lie: the rows of copies, by as many bytes as a query needs, damage named."""

from contextlib import closing

import numpy as np
import pyarrow as pa
import pytest

from tests.s3 import BUCKET, credentials
from tests.warehouse.lakes import put
from warehouse.catalog import limited, ranged, remote
from warehouse.catalog.catalog import connect, query, rebuild
from warehouse.catalog.ranged import filled
from warehouse.errors import CorruptPartition, QueryRefused, StoreUnavailable
from warehouse.home import Home
from warehouse.lake.bucket import open_bucket
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors

pytestmark = pytest.mark.medium

ROWS, WIDTH, LAYERS = 6000, 160, (3, 7, 11)
STATES = {layer: np.random.default_rng(layer).standard_normal((ROWS, WIDTH)).astype(np.float32) for layer in LAYERS}
IDS = [f"test-{number:05d}" for number in range(ROWS)]


@pytest.fixture(scope="module")
def published(s3_server, tmp_path_factory):
    """A home in a bucket with 10 MB of states in one file and a small one, as the machine that made it has it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(s3_server).items():
            patch.setenv(name, value)
        s3_server.reset()
        home = Home(tmp_path_factory.mktemp("remote") / "maker", f"s3://{BUCKET}/remote")
        for split, stop in (("test", ROWS), ("validation", 20)):
            columns = {f"layer_{layer}": vectors(rows[:stop]) for layer, rows in STATES.items()}
            numbers = {name: pa.array([n % 3 for n in range(stop)], pa.int32()) for name in ("label", "tokens")}
            table = pa.table({"id": IDS[:stop], **numbers, **columns})
            part = {"part-0.parquet": table}
            put(Lake(home), "states", part, facts={"layers": list(LAYERS)}, model="tiny", dataset="mr", split=split)
        rebuild(home)
        yield home


@pytest.fixture
def reader(published, s3, tmp_path):
    """The same home, as a machine has it that has read nothing yet."""
    return Home(tmp_path / "reader", published.url)


def received(s3):
    return sum(size for method, path, _, size in s3.requests if path.endswith("part-0.parquet"))


def test_a_query_receives_the_columns_and_rows_that_it_needs(published, reader, s3):
    size = max(each.size for each in open_bucket(reader.url).list("lake/") if each.key.endswith(".parquet"))
    assert size > ranged.BLOCK
    s3.requests.clear()
    table = query(reader, "select label, count(*)::int as n from states where split = 'test' group by all order by all")
    assert table.to_pydict() == {"label": [0, 1, 2], "n": [2000] * 3}
    assert received(s3) < size / 20
    s3.requests.clear()
    one = query(reader, "select layer_7 from states where id = 'test-00077' and split = 'test'")
    np.testing.assert_array_equal(one["layer_7"].to_pylist(), STATES[7][77:78])
    assert received(s3) < size / 2.2  # of one layer of three
    s3.requests.clear()
    rows = query(reader, "select state from layer_states where split = 'test' and layer = 11 order by id")["state"]
    np.testing.assert_array_equal(np.stack(rows.to_numpy()), STATES[11])
    assert size / 4 < received(s3) < size / 2.2
    assert [path.name for path in reader.lake.rglob("part-*")] == ["part-0.parquet"]  # the small one


def test_a_copy_is_read_in_place_of_the_object(published, reader, s3):
    sql = "select id, layer_3[1] as x from states where split = 'test' order by id limit 3"
    expected = query(published, sql)  # which it wrote
    assert received(s3) == 0
    assert query(reader, sql) == expected
    assert received(s3) > 0
    s3.requests.clear()
    for manifest in Lake(reader).manifests("states"):
        Lake(reader).of(manifest).table(["id"])
    fetched = received(s3)
    assert query(reader, sql) == expected
    assert received(s3) == fetched


def test_a_connection_for_any_statement_has_copies_of_all(reader, s3):
    sql = "select count(*) as n from states"
    assert query(reader, sql).to_pylist() == [{"n": ROWS + 20}]
    with closing(connect(reader)) as connection:
        assert not any(filled(connection).values())
        assert connection.execute(sql).fetchall() == [(ROWS + 20,)]
    s3.requests.clear()
    assert query(reader, sql).to_pylist() == [{"n": ROWS + 20}]
    assert received(s3) == 0


def test_a_process_of_its_own_reads_the_same(reader):
    sql = "select sum(layer_3[1]) as total, count(distinct label) as labels from states where split = 'test'"
    (row,) = limited.limited_query(reader, sql, timeout=60, memory="1GB").to_pylist()
    assert row["labels"] == 3
    assert row["total"] == pytest.approx(STATES[3][:, 0].sum(dtype=np.float64), abs=1e-3)  # float32, in any order


def test_no_other_file_is_within_reach(reader):
    for path in ("lake://states/other.parquet", "lake://../warehouse.duckdb", "s3://our-bucket/x.parquet"):
        with pytest.raises(QueryRefused):
            query(reader, f"select * from read_parquet('{path}')")


def test_an_object_of_another_footer_length_or_none_is_damage(reader, s3):
    bucket = open_bucket(reader.url)
    (key,) = [each.key for each in bucket.list("lake/") if each.key.endswith(".parquet") and each.size > 2**20]
    data, sql = b"".join(bucket.blocks(key)), "select sum(layer_3[1]) from states where split = 'test'"
    expected = query(reader, sql)
    changed = bytearray(data)
    changed[-100] ^= 1
    try:
        for bytes_, fault in (
            (bytes(changed), "its footer is another"),
            (data[:-1000], "its footer|fewer|does not end"),
        ):
            bucket.put(key, bytes_)
            with pytest.raises(CorruptPartition, match=f"part-0.parquet is damaged .*({fault})"):
                query(reader, sql)
        bucket.delete([key])
        with pytest.raises(CorruptPartition, match=r"is damaged \(it is missing"):
            query(reader, sql)
    finally:
        bucket.put(key, data)
    assert query(reader, sql) == expected
    s3.refuse("GET", "part-0.parquet", 403, "AccessDenied")
    with pytest.raises(StoreUnavailable, match=r"access is denied \(GetObject\)"):
        query(reader, sql)


@pytest.mark.parametrize("tail", [8, 64])
def test_a_footer_of_any_length_is_compared(published, reader, monkeypatch, tail):
    monkeypatch.setattr(remote, "TAIL", tail)
    assert query(reader, "select count(*) as n from states where label = 0").to_pylist() == [{"n": 2007}]
