"""What a user's SQL may not do. Each attack is refused twice where it can be: by `query`, and by the settings alone."""

import hashlib

import duckdb
import pytest

from tests.warehouse.lakes import put_examples
from warehouse.catalog.catalog import connect, query, rebuild
from warehouse.errors import QueryRefused
from warehouse.home import Home
from warehouse.lake.partition import Lake


@pytest.fixture(scope="module")
def fort(tmp_path_factory):
    """A home with a secret beside the lake; nothing below it may change."""
    home = Home(tmp_path_factory.mktemp("fort") / "home")
    put_examples(Lake(home), "mr")
    rebuild(home)
    (home.root / "secret.csv").write_text("word\nswordfish\n")
    other = duckdb.connect(str(home.root / "other.duckdb"))
    other.execute("create table t as select 'swordfish' as word")
    other.close()
    return home


def contents(home):
    files = [path for path in home.root.parent.rglob("*") if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


READS = [
    "from '{root}/secret.csv'",
    "from read_csv('{root}/secret.csv')",
    "from read_text('{root}/secret.csv')",
    "from read_blob('{root}/secret.csv')",
    "from read_json('{root}/secret.csv')",
    "from read_text('{root}/lake/../secret.csv')",
    "from read_text(['{root}/secret.csv'])",
    "from glob('{root}/*')",
    "from read_parquet('{root}/lake/**/*.parquet')",
    "from parquet_metadata('/etc/passwd')",
    "from sniff_csv('{root}/secret.csv')",
    "from read_duckdb('{root}/other.duckdb')",
    "from query('from ''{root}/secret.csv''')",
    "from query_table('{root}/secret.csv')",
    "select (select word from '{root}/secret.csv')",
    "select 1 where exists (from '{root}/secret.csv')",
    "with x as (from '{root}/secret.csv') from x",
    "from json_execute_serialized_sql(json_serialize_sql('from ''{root}/secret.csv'''))",
    "from read_text('https://example.com/')",
    "from 's3://bucket/x.parquet'",
    "pivot read_csv('{root}/secret.csv') on word using count(*)",
    "pivot '{root}/secret.csv' on word using count(*)",
    "explain analyze from read_csv('{root}/secret.csv')",
    "describe '{root}/secret.csv'",
    "summarize from read_csv('{root}/secret.csv')",
]
WRITES = [
    "create table t as select 1",
    "create temp table t as select 1",
    "create view v as select 1",
    "create macro m() as 1",
    "create or replace macro nearest_tokens() as 1",
    "create secret s (type s3)",
    "insert into models by name select 'x' as model",
    "update models set description = 'x'",
    "delete from models",
    "drop table models",
    "alter table models add column x int",
    "truncate models",
    "with x as (insert into models by name select 'x' as model returning *) from x",
    "with x as (update models set description = 'x' returning *) from x",
    "with x as (delete from models returning *) from x",
    "vacuum",
    "checkpoint",
    "analyze",
]
FILES = [
    "copy (select 1) to '{file}'",
    "copy models to '{file}' (format parquet)",
    "copy (select 1) to '{file}' (use_tmp_file false)",
    "explain copy (select 1) to '{file}'",
    "explain analyze copy (select 1) to '{file}'",
    "explain (analyze) copy (select 1) to '{file}'",
    "/* x */ explain -- y\n analyze copy (select 1) to '{file}'",
    "explain analyze with x as (copy (select 1) to '{file}') from x",
    "explain (copy (select 1) to '{file}') select 1",
    "explain (analyze, copy (select 1) to '{file}') select 1",
    "pivot (with x as (copy (select 1 as k) to '{file}') from x) on k using count(*)",
    "explain analyze pivot (with x as (copy (select 1 as k) to '{file}') from x) on k using count(*)",
    "pivot examples on (with x as (copy (select 1 as k) to '{file}') select k from x) using count(*)",
    "with y as (copy (select 1) to '{file}') pivot examples on split using count(*)",
    "with p as (pivot examples on split using count(*)), y as (copy (select 1) to '{file}') from p",
    "pivot examples on split using count(*); copy (select 1) to '{file}'",
    "copy (pivot examples on split using count(*)) to '{file}'",
    "unpivot (with x as (copy (select 1 as k) to '{file}') from x) on k",
    "pivot query('with x as (copy (select 1 as k) to ''{file}'') from x') on k using count(*)",
    "with x as (copy (select 1) to '{file}') from x",
    "with x as materialized (copy (select 1) to '{file}' (use_tmp_file false)) select 1",
    "select (with x as (copy (select 1) to '{file}') select count(*) from x)",
    "from (with x as (copy (select 1) to '{file}') from x)",
    "from query('with x as (copy (select 1) to ''{file}'') from x')",
    "from json_execute_serialized_sql(json_serialize_sql('with x as (copy (select 1) to ''{file}'') from x'))",
    "from system.main.json_execute_serialized_sql('[]') -- {file}",
    "select 1; copy (select 1) to '{file}'",
    "export database '{file}'",
    "from enable_logging('QueryLog', storage = 'file', storage_path = '{file}')",
    "pragma enable_profiling = 'json'",
    "set profile_output = '{file}'",
    "set log_query_path = '{file}'",
]
ESCAPES = [
    "attach '{root}/other.duckdb' as other",
    "attach '{root}/lake/new.duckdb' as new",
    "attach ':memory:' as scratch",
    "detach warehouse",
    "use memory",
    "install httpfs",
    "load httpfs",
    "load '{root}/evil.duckdb_extension'",
    "force install json",
    "import database '{root}'",
    "set enable_external_access = true",
    "set allowed_paths = ['{root}/secret.csv']",
    "set allowed_directories = ['/']",
    "set lock_configuration = false",
    "reset lock_configuration",
    "set threads = 1",
    "pragma memory_limit = '1GB'",
    "set search_path = 'memory'",
    "begin",
    "prepare p as select 1",
    "execute p",
    "call pragma_version()",
    "select * from pragma_database_size()",
    "from duckdb_secrets()",
    "select getenv('HOME')",
    "select * from labels where name = getenv('HOME')",
]


def filled_in(sql, home, file):
    return sql.replace("{root}", str(home.root)).replace("{file}", str(file))


def part(home):
    return next(home.lake.glob("examples/**/part-0.parquet"))


@pytest.mark.parametrize("sql", [*READS, *WRITES, *FILES, *ESCAPES])
def test_only_one_select_over_the_warehouse_is_answered(fort, sql):
    before = contents(fort)
    targets = [fort.root / "new.csv", fort.lake / "new.csv", part(fort)] if "{file}" in sql else [None]
    for target in targets:
        with pytest.raises(QueryRefused):
            query(fort, filled_in(sql, fort, target))
    assert contents(fort) == before


@pytest.mark.parametrize("sql", [*READS, *ESCAPES[:2], *ESCAPES[5:10], *ESCAPES[10:17], *FILES])
def test_the_settings_alone_keep_other_files_closed(fort, sql):
    """Without the parser's help: no file but the published ones can be read, and no other one written."""
    before = contents(fort)
    for target in [fort.root / "new.csv", fort.lake / "new.csv"]:
        connection = connect(fort)
        try:
            answer = connection.execute(filled_in(sql, fort, target)).fetchall()
        except duckdb.Error:
            answer = []
        finally:
            connection.close()
        assert "swordfish" not in str(answer)
        assert contents(fort) == before


def test_the_settings_alone_keep_the_catalog_read_only(fort):
    connection = connect(fort)
    for sql in WRITES[6:15]:
        with pytest.raises(duckdb.Error):
            connection.execute(sql)
    with pytest.raises(duckdb.Error, match="locked"):
        connection.execute("set enable_external_access = true")
    connection.close()


def test_a_python_variable_is_no_table(fort):
    import pyarrow as pa

    secret = pa.table({"word": ["swordfish"]})
    with pytest.raises(QueryRefused):
        query(fort, "from secret")
    assert secret.num_rows == 1


def test_refusals_say_what_is_allowed(fort):
    for sql, output in [
        ("drop table models", "is no SELECT"),
        ("select 1; select 2", "2 statements"),
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
        ("with x as (copy (select 1) to 'x') from x", "would write"),
        ("from read_csv('x')", "'read_csv' may not be used"),
        ("with x as (from read_csv('x')) select (select 1 from x)", "'read_csv' may not be used"),
    ]:
        with pytest.raises(QueryRefused, match=output) as refused:
            query(fort, sql)
        assert "a single SELECT" in str(refused.value)


def test_a_query_too_deep_is_refused_and_not_a_crash(fort):
    with pytest.raises(QueryRefused):
        query(fort, "select " + "(" * 50_000 + "1" + ")" * 50_000)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select count(*) as n from examples", [{"n": 10}]),
        ("from examples select count(*) as n", [{"n": 10}]),
        ("values (1), (2)", [{"col0": 1}, {"col0": 2}]),
        ("table labels limit 0", []),
        ("select count(*) as n from range(3)", [{"n": 3}]),
        ("select unnest([1, 2]) as x", [{"x": 1}, {"x": 2}]),
        ("select x from generate_series(1, 2) t(x) order by x desc", [{"x": 2}, {"x": 1}]),
        (
            "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) select max(n) as n from r",
            [{"n": 3}],
        ),
        ("select 1 as n union select 1", [{"n": 1}]),
        ("select dataset from datasets -- a comment", [{"dataset": "mr"}]),
        ("select dataset from datasets;", [{"dataset": "mr"}]),
        ("select split, count(*) as n from examples group by all order by all", None),
        ("from (describe examples) select column_name limit 1", [{"column_name": "dataset"}]),
        (
            "from (pivot examples on split in ('train', 'test') using count(*) group by dataset)",
            [{"dataset": "mr", "train": 5, "test": 3}],
        ),
        ("select row_number() over (order by id) as n, id from examples qualify n = 1", [{"n": 1, "id": "test-0"}]),
        ("select list_transform([1, 2], lambda x: x + 1) as l", [{"l": [2, 3]}]),
        ("select facts->>'$.license' as l from datasets", [{"l": "CC0"}]),
        ("select regexp_matches(text, '^mr') as m from examples limit 1", [{"m": True}]),
        ("select 'copy x to y; drop table z' as text", [{"text": "copy x to y; drop table z"}]),
    ],
)
def test_honest_queries_pass(fort, sql, expected):
    result = query(fort, sql).to_pylist()
    assert result == expected if expected is not None else len(result) == 3


@pytest.mark.parametrize(
    "sql",
    [
        *("show tables", "show all tables", "describe leaderboard", "describe select 1 as x", "summarize labels"),
        *(
            "explain select 1",
            "EXPLAIN ANALYZE from examples",
            "explain (format json) from labels",
            "explain (select 1)",
        ),
        "-- a plan\nexplain pivot examples on split using count(*)",
    ],
)
def test_showing_what_there_is(fort, sql):
    assert len(query(fort, sql)) > 0


COUNTS = {"test": 3, "train": 5, "validation": 2}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("pivot examples on split using count(*) group by dataset", {"dataset": "mr", **COUNTS}),
        ("pivot (select split from examples) on split using count(*)", COUNTS),
        ("PIVOT (select split from examples) ON split /* in */ USING count(*) -- in", COUNTS),
        ("from (pivot (select split from examples) on split using count(*)) select train", {"train": 5}),
        (
            "with p as (pivot examples on split using count(*) group by dataset) select test + train as n from p",
            {"n": 8},
        ),
        (
            "pivot (select split || 'é' as é from examples) on é using count(*)",
            {f"{key}é": n for key, n in COUNTS.items()},
        ),
        (
            "pivot (select split from examples) on split || ' in ' || 1 using count(*)",
            {f"{k} in 1": n for k, n in COUNTS.items()},
        ),
        (
            "pivot examples on split in ('test'), label using count(*) group by dataset",
            {"dataset": "mr", "test_0": 1, "test_1": 2},
        ),
    ],
)
def test_a_pivot_needs_no_list_of_values(fort, sql, expected):
    (row,) = query(fort, sql).to_pylist()
    assert row == expected


def test_an_unpivot_is_read(fort):
    rows = query(fort, "unpivot (select 1 as a, 2 as b) on a, b into name k value v order by k").to_pylist()
    assert rows == [{"k": "a", "v": 1}, {"k": "b", "v": 2}]


def test_order_is_kept_through_views(fort):
    result = query(fort, "select id from examples order by id desc")["id"].to_pylist()
    assert result == sorted(result, reverse=True)
