"""Statements to PostgreSQL and what is made of its answers, without a server."""

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError

from tasks.tracking import postgres
from tasks.tracking.migrations import FOLDERS, migrations
from tasks.tracking.postgres import SETTINGS, check_postgres, connected, run_statement, setting
from tasks.tracking.statements import SQL
from vocabsem.errors import BadInput
from warehouse.home import BACKEND_STORE


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("program", FOLDERS)
def test_migrations_are_those_that_alembic_finds(program, dialect):
    folder = Path(find_spec(program).origin).parent / FOLDERS[program].format(dialect)
    script = ScriptDirectory(str(folder.parent), version_locations=[str(folder)])
    known, newest = migrations(program, dialect)
    assert newest == script.get_current_head()
    assert known == {each.revision for each in script.walk_revisions()}


def test_the_newer_of_two_names_of_a_setting_counts_and_sqlite_is_a_file_of_its_own(monkeypatch):
    newer, older = SETTINGS["prefect"]
    monkeypatch.setenv(older, "postgresql://old/db")
    assert setting("prefect") == (older, "postgresql://old/db")
    monkeypatch.setenv(newer, "postgresql+asyncpg://new/db")
    assert setting("prefect") == (newer, "postgresql+asyncpg://new/db")
    monkeypatch.setenv(newer, "sqlite+aiosqlite:///file.db")
    assert setting("prefect") is None
    monkeypatch.setenv(newer, "mssql://u:secret-word@h/db")
    with pytest.raises(BadInput, match=rf"^{newer} names a database of 'mssql': give one of postgresql$"):
        setting("prefect")


class Server:
    """A connection to a server that has a version, and answers statements with rows or an error."""

    def __init__(self, version=(16, 2), answers=(), url="postgresql://u:secret-word@host/db"):
        self.dialect = SimpleNamespace(server_version_info=version)
        self.engine = SimpleNamespace(url=make_url(url))
        self.answers, self.statements = answers, []

    def exec_driver_sql(self, statement, values):
        self.statements.append((statement, values))
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


def answering(monkeypatch, server):
    @contextmanager
    def connection(name, uri):
        yield server

    monkeypatch.setattr(postgres, "connected", connection)
    monkeypatch.setenv(BACKEND_STORE, "postgresql://u:secret-word@host/db")
    monkeypatch.setenv(SETTINGS["prefect"][0], "postgresql://u:secret-word@host/db")


def test_a_server_that_is_too_old_is_refused_for_the_program_that_needs_a_newer_one(monkeypatch):
    answering(monkeypatch, Server((13, 9)))
    with pytest.raises(BadInput, match=r"URL: host/db is PostgreSQL 13, and prefect needs 14: update it$"):
        check_postgres("prefect")
    known = check_postgres("mlflow")
    assert (known.where, known.version, known.schema) == ("host/db", "13.9", None)
    answering(monkeypatch, Server((14, 0), [("a" * 90,)], "postgresql:///db"))
    with pytest.raises(BadInput, match=r"a socket/db was written by a version of prefect .*\(schema a{40}\): update"):
        check_postgres("prefect")


@pytest.mark.parametrize("statement", [path.stem for path in SQL.glob("*.sql")])
def test_statements_are_given_as_psycopg_takes_them(statement):
    server = Server(answers=[("row",)])
    assert run_statement(server, statement, ["1%"]) == [("row",)]
    ((text, values),) = server.statements
    ours = (SQL / f"{statement}.sql").read_text()
    assert text % (("?",) * ours.count("?")) == ours
    assert values == ("1%",)


def test_tables_that_were_not_made_have_no_rows_and_other_errors_stay():
    assert run_statement(Server(answers=ProgrammingError("", {}, Exception("no table"))), "registered") == []
    with pytest.raises(OperationalError):
        run_statement(Server(answers=OperationalError("", {}, Exception("gone"))), "registered")


@pytest.mark.parametrize("query", ["", "?ssl=require", "?ssl=verify-full&application_name=me"])
def test_whatever_driver_an_address_names_psycopg_reads_it_with_the_mode_of_its_connection(monkeypatch, query):
    pytest.importorskip("psycopg2", reason="pip install 'vocabsem[postgres]'")
    seen = []

    def create_engine(url, **options):
        seen.append((url, options["connect_args"]))
        raise OperationalError("", {}, Exception("two\nlines"))

    monkeypatch.setattr(sqlalchemy, "create_engine", create_engine)
    uri = f"postgresql+asyncpg://u:p%40ss@host:5433/db{query}"
    with pytest.raises(BadInput, match=r"^the database of NAME does not answer: two lines: start it, or unset NAME$"):
        connected("NAME", uri).__enter__()
    ((url, options),) = seen
    assert (url.drivername, url.password, url.port, url.database) == ("postgresql+psycopg2", "p@ss", 5433, "db")
    assert dict(url.query) == {{"ssl": "sslmode"}.get(name, name): value for name, value in make_url(uri).query.items()}
    assert options == {"connect_timeout": postgres.CONNECT_SECONDS}
