"""The databases of other programs, examined before anything is computed and recorded there."""

import sqlite3
from pathlib import Path

from tasks.tracking.migrations import Program, migrations
from tasks.tracking.postgres import check_postgres
from tasks.tracking.sqlite_reads import read_only
from tasks.tracking.statements import statement
from vocabsem.errors import BadInput
from warehouse.home import Home

FIXES = {
    "prefect": "put a copy of it back, or remove it: Prefect begins with an empty history, and all results are kept",
    "mlflow": "put a copy of it back, or remove mlflow.db*, mlartifacts and lake/runs in the home and run the"
    " experiments again, which logs them anew",
}


def check_databases(home: Home, *programs: Program) -> None:
    """Raise BadInput where a program's database cannot be used: its file in the home, or what its settings name."""
    for program in programs:
        if check_postgres(program) is None:
            check_database({"prefect": home.prefect / "prefect.db", "mlflow": home.mlflow}[program], program)


def check_database(path: Path, program: Program) -> None:
    """Raise BadInput where the program's file is damaged or of a version that is newer than the installed one."""
    if not path.exists():
        return
    try:
        with read_only(path) as database:
            ((state,),) = database.execute(statement("quick_check")).fetchall()
            versions = [version for (version,) in _schema_versions(database)]
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):  # by a program that can read it
            return
        state, versions = str(error), []
    if state != "ok":
        raise BadInput(f"{path} cannot be opened ({state.splitlines()[-1]}): {FIXES[program]}")
    known, _ = migrations(program, "sqlite")
    if unknown := [version for version in versions if version not in known]:
        raise BadInput(
            f"{path} was written by a version of {program} that is newer than the installed one (schema"
            f" {unknown[0][:40]}): update {program}, or choose another home with --home or VOCABSEM_HOME"
        )


def _schema_versions(database: sqlite3.Connection) -> list[tuple[str]]:
    """Return the schema's versions, none where they are not recorded yet."""
    try:
        return database.execute(statement("schema_version")).fetchall()
    except sqlite3.OperationalError:
        return []
