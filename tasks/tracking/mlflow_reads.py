"""Read MLflow's database by SQL statements, because importing MLflow takes seconds."""

from typing import Any

from tasks.tracking.postgres import connected, run_statement, setting
from tasks.tracking.sqlite_reads import read_only
from tasks.tracking.statements import statement
from warehouse.home import Home


def read_rows(home: Home, name: str, *values: str) -> list[Any]:
    """Return the rows of a statement in `sql/`, none where nothing was logged yet.

    Raises sqlite3.DatabaseError for a file that cannot be read, BadInput for a server that does not answer.
    """
    if named := setting("mlflow"):
        with connected(*named) as connection:
            return run_statement(connection, name, values)
    if not home.mlflow.exists():
        return []
    with read_only(home.mlflow) as database:
        return database.execute(statement(name), values).fetchall()
