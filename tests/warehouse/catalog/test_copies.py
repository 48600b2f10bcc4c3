"""The catalog of a home in a bucket: one object, which holds no machine's paths; a query fetches what it reads."""

from contextlib import closing

import pytest

from tests.s3 import BUCKET, credentials
from tests.warehouse.lakes import fill, put_examples
from warehouse.catalog import limited, reads
from warehouse.catalog.catalog import connect, query, rebuild, tables, update
from warehouse.errors import CorruptPartition, NotPublished, QueryRefused
from warehouse.home import Home
from warehouse.lake.bucket import open_bucket
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

VIEWS = ("examples", "states", "layer_states", "last_states", "anchors", "predictions")


@pytest.fixture(scope="module")
def published(s3_server, tmp_path_factory):
    """A filled home in a bucket with its catalog, as the machine that made it has it. Only to be read."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(s3_server).items():
            patch.setenv(name, value)
        s3_server.reset()
        home = Home(tmp_path_factory.mktemp("copies") / "maker", f"s3://{BUCKET}/filled")
        fill(home)
        rebuild(home)
        yield home


@pytest.fixture
def reader(published, s3, tmp_path):
    """The same home, as a machine has it that has read nothing yet."""
    return type(published)(tmp_path / "reader", published.url)


def test_every_view_has_the_rows_of_a_local_home(published, reader, filled):
    for view in VIEWS:
        sql = f"select * from {view} order by all"
        expected = query(filled, sql)
        for home in (reader, published):
            got = query(home, sql)
            assert got.drop_columns([c for c in got.column_names if c == "created"]) == expected, view


def test_tables_and_leaderboard_equal_those_of_a_local_home(reader, filled, s3):
    assert reads.leaderboard(reader) == reads.leaderboard(filled)
    assert s3.count("GET", "lake/") == 0  # the catalog has them
    assert {table.name for table in tables(reader)} == {table.name for table in tables(filled)}
    assert query(reader, "select count(*) from metrics") == query(filled, "select count(*) from metrics")


def test_a_query_fetches_the_files_of_its_views_once(reader, s3, capsys):
    query(reader, "with t as (from examples) select count(*) from t where dataset = $d", {"d": "mr"})
    assert s3.count("GET", "/lake/examples/.*parquet") == 2
    assert s3.count("GET", "/lake/.*parquet") == 2
    assert "fetching 2 files, 0.0 MB, from s3://" in capsys.readouterr().err
    s3.requests.clear()
    query(reader, "select count(*) from examples")
    assert [method for method, *_ in s3.requests] == ["HEAD"]  # is there a newer catalog?
    query(reader, "from nearest_tokens('tiny', ' good', 2)")  # a macro over anchors
    assert s3.count("GET", "/lake/anchors/.*parquet") == 2
    assert capsys.readouterr().err.count("fetching") == 1


def test_a_query_in_a_process_of_its_own_reads_the_same(reader):
    rows = limited.limited_query(reader, "select count(*) as n from predictions", timeout=60, memory="1GB")
    assert rows.to_pylist() == query(reader, "select count(*) as n from predictions").to_pylist()


def test_a_catalog_opened_for_any_query_has_every_file(reader, filled):
    with closing(connect(reader)) as connection, closing(connect(filled)) as expected:
        for view in VIEWS:
            sql = f"select count(*) from {view}"
            assert connection.execute(sql).fetchall() == expected.execute(sql).fetchall()


def test_a_copy_that_is_damaged_is_fetched_again(reader):
    sql = "select id, text from examples order by all"
    expected = query(reader, sql)
    part = next(reader.lake.glob("examples/**/*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)
    assert query(reader, sql) == expected


def test_bad_sql_is_refused_before_anything_is_fetched(reader, s3):
    for sql in ("select * from predictions where", "drop table metrics", "select * from nothing"):
        with pytest.raises(QueryRefused):
            query(reader, sql)
    assert s3.count("GET", "/lake/") == 0


def test_a_home_without_a_catalog_is_an_error(machine):
    with pytest.raises(NotPublished, match=f"there is no catalog in {machine().url}: run"):
        query(machine(), "select 1")


def test_an_update_on_another_machine_is_read_by_all(machine):
    one, two = machine("one"), machine("two")
    gone, stays = (put_examples(Lake(one), dataset) for dataset in ("mr", "trec"))
    assert rebuild(one) == update(two) == rebuild(two)
    count = "select count(*) as n from partitions"
    assert query(one, count).to_pylist() == query(two, count).to_pylist() == [{"n": 2}]
    bucket = open_bucket(one.url)
    bucket.delete([each.key for each in bucket.list("lake/") if f"key={gone.key[:12]}" in each.key])
    update(two)
    for home in (one, two):
        assert query(home, "select key from partitions").to_pylist() == [{"key": stays.key}]
        assert query(home, "select distinct dataset from examples").to_pylist() == [{"dataset": "trec"}]
    stored = next(each.key for each in bucket.list("lake/") if each.key.endswith("part-0.parquet"))
    bucket.put(stored, b"other bytes")
    with pytest.raises(CorruptPartition, match="is damaged"):
        query(machine("three"), "select count(*) from examples")
