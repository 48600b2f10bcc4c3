"""Databases of PostgreSQL behind MLflow and Prefect, checked before anything is computed and read as files are."""

import sqlite3
from contextlib import closing

import pytest

from tasks.tracking.databases import check_databases
from tasks.tracking.mlflow_reads import read_rows
from tasks.tracking.outcome import finished_run
from tasks.tracking.postgres import check_postgres, connected, setting
from tasks.tracking.store import store
from tests.postgres import make_database, postgres_server
from vocabsem.errors import BadInput
from warehouse.home import BACKEND_STORE, Home

pytestmark = pytest.mark.medium

PREFECT = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
RUNS = """
create table runs (run_uuid varchar, status varchar, start_time bigint);
create table tags (run_uuid varchar, key varchar, value varchar);
insert into runs values ('old', 'FINISHED', 1), ('new', 'FINISHED', 2), ('going', 'RUNNING', 3);
insert into tags values ('old', 'vocabsem.key', 'k'), ('new', 'vocabsem.key', 'k'), ('going', 'vocabsem.key', 'k');
insert into tags values ('new', 'vocabsem.registered.b', '2'), ('new', 'vocabsem.registered.a', '1%');
"""


@pytest.fixture(scope="module")
def address():
    with postgres_server() as address:
        yield address


@pytest.fixture
def database(address, request, monkeypatch):
    """An empty database behind MLflow."""
    uri = make_database(address, f"test_{abs(hash(request.node.name))}")
    monkeypatch.setenv(BACKEND_STORE, uri)
    return uri


def execute(uri, *statements):
    with connected("a test", uri) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


def test_without_a_setting_there_is_the_file_of_the_home(tmp_path, monkeypatch):
    monkeypatch.delenv(BACKEND_STORE, raising=False)
    assert setting("mlflow") is setting("prefect") is check_postgres("mlflow") is None
    assert Home(tmp_path).tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv(BACKEND_STORE, "sqlite:///elsewhere.db")
    assert setting("mlflow") is None
    assert Home(tmp_path).tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv(BACKEND_STORE, "mysql://user:secret-word@host/db")
    with pytest.raises(BadInput, match=rf"^{BACKEND_STORE} names a database of 'mysql': give one of postgresql$"):
        setting("mlflow")


def test_an_empty_database_is_known_by_its_server_and_name(database, tmp_path):
    known = check_postgres("mlflow")
    assert Home(tmp_path).tracking_uri == database
    assert known.where == "127.0.0.1/" + database.rpartition("/")[2]
    assert int(known.version.split(".")[0]) >= 13
    assert known.schema is None
    assert read_rows(Home(tmp_path), "registered") == [], "nothing was made in it yet"


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+asyncpg", "postgresql+psycopg2"])
def test_the_address_may_name_the_driver_of_its_program(database, monkeypatch, driver):
    monkeypatch.setenv(PREFECT, database.replace("postgresql", driver) + "?ssl=prefer")
    assert check_postgres("prefect").where == check_postgres("mlflow").where


@pytest.mark.parametrize(("program", "variable"), [("prefect", PREFECT), ("mlflow", BACKEND_STORE)])
def test_a_database_of_a_newer_program_is_refused(database, monkeypatch, tmp_path, program, variable):
    monkeypatch.setenv(variable, database)
    newest = check_postgres(program).newest
    execute(database, "create table alembic_version (version_num varchar)")
    execute(database, f"insert into alembic_version values ('{newest}')")
    assert check_postgres(program).schema == newest
    execute(database, "update alembic_version set version_num = 'ffffffffffff'")
    with pytest.raises(BadInput, match=rf"newer than the installed one \(schema ffffffffffff\): update {program}"):
        check_databases(Home(tmp_path), program)


def test_the_newest_migration_is_that_of_the_program_itself(database, tmp_path):
    with store(Home(tmp_path / "home")) as client:
        assert [one.name for one in client.search_experiments()] == ["Default"]
    known = check_postgres("mlflow")
    assert known.schema == known.newest
    assert not (tmp_path / "home" / "mlflow.db").exists()


@pytest.mark.parametrize("uri", ["postgresql://u:secret-word@127.0.0.1:9/db", "postgresql://u:secret-word@%/nothing"])
def test_one_that_does_not_answer_is_one_line_without_the_password(monkeypatch, tmp_path, uri):
    pytest.importorskip("psycopg2", reason="pip install 'vocabsem[postgres]'")
    monkeypatch.setenv(BACKEND_STORE, uri)
    with pytest.raises(BadInput, match=rf"the database of {BACKEND_STORE} does not answer: .*: start it") as refused:
        check_databases(Home(tmp_path), "mlflow")
    assert "secret-word" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_driver_is_named_with_its_extra(monkeypatch):
    monkeypatch.setenv(BACKEND_STORE, "postgresql://u@h/db")
    monkeypatch.setitem(__import__("sys").modules, "psycopg2", None)
    with pytest.raises(BadInput, match=r"driver is missing: pip install 'vocabsem\[postgres\]'"):
        check_postgres("mlflow")


def test_statements_read_the_same_from_both(database, monkeypatch, tmp_path):
    home = Home(tmp_path)
    execute(database, RUNS.replace("%", "%%"))
    there = finished_run(home, "k"), read_rows(home, "registrations", "k"), finished_run(home, "none")
    monkeypatch.delenv(BACKEND_STORE)
    with closing(sqlite3.connect(home.mlflow)) as file:
        file.executescript(RUNS)
    here = finished_run(home, "k"), read_rows(home, "registrations", "k"), finished_run(home, "none")
    assert [*map(list, map(str, here))] == [*map(list, map(str, there))]
    assert here == ("new", [("1%",), ("2",)], None)
