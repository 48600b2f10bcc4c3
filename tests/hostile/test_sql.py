"""A user's SQL ends within its limits of time and memory; no text is a crash."""

import time
from contextlib import closing, suppress

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flows.command import command
from tests.warehouse.lakes import put_examples
from warehouse.catalog import limited, sandbox
from warehouse.catalog.catalog import connect, rebuild
from warehouse.errors import QueryRefused
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("sql") / "home")
    put_examples(Lake(home), "mr")
    rebuild(home)
    return home


def test_a_query_within_its_limits_is_answered(home):
    sql = "select count(*) as n from examples where dataset = $name"
    assert limited.limited_query(home, sql, {"name": "mr"}, timeout=60, memory="1GB").to_pylist() == [{"n": 10}]


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from range(1000000) a, range(1000000) b",
        "select levenshtein(repeat('a', 200000), repeat('b', 200000))",  # one call, which DuckDB does not interrupt
    ],
)
def test_a_query_without_end_is_stopped(home, sql):
    start = time.monotonic()
    with pytest.raises(QueryRefused, match=r"takes more than 1 s.*--timeout"):
        limited.limited_query(home, sql, timeout=1, memory="500MB")
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("sql", ["select repeat('x', 2000000000) as x", "select format('{:2000000000d}', 1) as x"])
def test_a_query_that_fills_the_memory_is_stopped(home, sql):
    with pytest.raises(QueryRefused, match=r"takes more than 200MB of memory.*--memory"):
        limited.limited_query(home, sql, timeout=60, memory="200MB")


@pytest.mark.parametrize("memory", ["1MB", "8MB", "30MB"])
def test_memory_that_opens_no_catalog_is_too_little(home, memory):
    done = command(home, "query", "lineage", "--memory", memory)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: the query takes more than {memory} of memory: ")


def test_a_refused_query_is_refused_as_without_limits(home):
    with pytest.raises(QueryRefused, match="is no SELECT"):
        limited.limited_query(home, "drop table models", timeout=60, memory="1GB")


@pytest.mark.parametrize("memory", ["", "2", "0GB", "-1GB", "1e9GB", "2 PB", "GB"])
def test_a_size_that_is_none(home, memory):
    with pytest.raises(QueryRefused, match=r"--memory .*as in 500MB"):
        limited.limited_query(home, "select 1", timeout=60, memory=memory)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sql", "select count(*) from range(1000000) a, range(1000000) b", "--timeout", "1"], "takes more than 1 s"),
        (["sql", "select repeat('x', 2000000000)", "--memory", "200MB"], "takes more than 200MB of memory"),
        (["query", "confusions", "--memory", "much"], "--memory 'much': give a whole number"),
        (["query", "confusions", "--timeout", "0.1"], "takes more than 0.1 s"),
    ],
)
def test_the_commands_have_the_limits(home, words, message):
    done = command(home, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("error: ") == 1


def test_a_table_ends_after_10_000_rows_and_says_so(home):
    done = command(home, "sql", "select * from range(10007)")
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (0, 2 + 10_000 + 1)
    assert lines[-2].strip() == "9999"
    assert lines[-1] == "… 7 more rows: use --format csv, json or parquet"
    whole = command(home, "sql", "select * from range(10007)", "--format", "csv")
    assert len(whole.stdout.splitlines()) == 1 + 10_007


WORDS = st.sampled_from([
    *("select", "from", "where", "with", "as", "union all", "order by", "group by", "limit 3", "values", "table"),
    *("examples", "models", "labels", "leaderboard", "*", "1", "-1", "1e999", "'x'", "null", "x", "$name", "?", '"'),
    *("(", ")", ",", ";", "--", "/*", "'", "=", "::int", "::blob", "[1]", "{'a': 1}", "lambda x: x", "\0", "\ud800"),
    *("count(*)", "unnest", "range(3)", "copy", "attach", "insert into", "set", "pragma", "case when", "end", "é"),
])  # fmt: skip


@pytest.fixture(scope="module")
def connection(home):
    with closing(connect(home)) as connection:
        yield connection


@settings(max_examples=6 * settings().max_examples, deadline=10_000)
@given(sql=st.lists(WORDS, max_size=12).map(" ".join))
def test_no_sql_is_a_crash(connection, sql):
    with suppress(QueryRefused, duckdb.Error):
        sandbox.check(connection, sql)
        connection.execute(sql).fetchmany(10)
