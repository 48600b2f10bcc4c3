"""The PostgreSQL databases that Prefect's and MLflow's own settings name, in place of the files of a home."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.tracking.migrations import Program, migrations
from tasks.tracking.statements import statement
from vocabsem.errors import BadInput
from warehouse.home import BACKEND_STORE

if TYPE_CHECKING:
    from sqlalchemy import Connection

SETTINGS = {
    "prefect": ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"),
    "mlflow": (BACKEND_STORE,),
}
LEAST = {"prefect": 14, "mlflow": 0}  # major versions that the programs ask for
CONNECT_SECONDS = 5
INSTALL = "pip install 'vocabsem[postgres]'"


@dataclass(frozen=True)
class Database:
    """A database that answered."""

    where: str
    """Host and name: no user, no password."""
    version: str
    """Of the server."""
    schema: str | None
    """The migration that it was brought to, None where nothing was made in it yet."""
    newest: str
    """The newest migration of the installed program."""


def setting(program: Program) -> tuple[str, str] | None:
    """Return the variable that names the program's database, and its value; None where none does.

    Raises BadInput for a database that is not PostgreSQL.
    """
    for name in SETTINGS[program]:
        if uri := os.environ.get(name):
            if not uri.startswith("postgresql"):
                if uri.startswith("sqlite"):
                    return None
                raise BadInput(f"{name} names a database of {uri.partition(':')[0]!r}: give one of postgresql")
            return name, uri
    return None


def check_postgres(program: Program) -> Database | None:
    """Connect to the program's PostgreSQL database and return what it is; None where its settings name none.

    Raises BadInput where it does not answer, is too old, or of a newer version of the program.
    """
    named = setting(program)
    if named is None:
        return None
    name, uri = named
    with connected(name, uri) as connection:
        major, *minor = connection.dialect.server_version_info or (0,)
        schema = next((version for (version,) in run_statement(connection, "schema_version")), None)
        url = connection.engine.url
    where = f"{url.host or 'a socket'}/{url.database}"
    if major < LEAST[program]:
        raise BadInput(f"{name}: {where} is PostgreSQL {major}, and {program} needs {LEAST[program]}: update it")
    known, newest = migrations(program, "postgresql")
    if schema and schema not in known:
        raise BadInput(
            f"{name}: {where} was written by a version of {program} that is newer than the installed one (schema"
            f" {schema[:40]}): update {program}, or name another database"
        )
    return Database(where, ".".join(map(str, (major, *minor))), schema, newest)


@contextmanager
def connected(name: str, uri: str) -> "Iterator[Connection]":
    """Connect to the database that a variable names, whatever driver its program uses. Raises BadInput."""
    try:
        import psycopg2  # noqa: F401
        from sqlalchemy import create_engine
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import NullPool
    except ImportError:
        raise BadInput(f"{name} names a database of PostgreSQL, whose driver is missing: {INSTALL}") from None
    try:
        url = make_url(uri).set(drivername="postgresql+psycopg2")
        if mode := url.query.get("ssl"):  # asyncpg's name
            url = url.difference_update_query(["ssl"]).update_query_dict({"sslmode": mode})
        engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_SECONDS})
        connection = engine.connect()
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().replace("\n", " ")
        raise BadInput(f"the database of {name} does not answer: {reason}: start it, or unset {name}") from None
    with connection:
        yield connection


def run_statement(connection: "Connection", name: str, values: Sequence[str] = ()) -> list[Any]:
    """Run a statement that is written for SQLite; without its tables, return no rows."""
    from sqlalchemy.exc import ProgrammingError

    try:
        return list(connection.exec_driver_sql(statement(name).replace("%", "%%").replace("?", "%s"), tuple(values)))
    except ProgrammingError:
        return []
