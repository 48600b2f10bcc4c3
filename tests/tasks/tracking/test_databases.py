"""Databases of Prefect and MLflow that are damaged or newer: one error before anything is computed."""

import sqlite3
from contextlib import closing

import pytest

from tasks.tracking.databases import check_database
from vocabsem.errors import BadInput


def make(path, version, rows=2000):
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table alembic_version (version_num varchar)")
        database.execute("insert into alembic_version values (?)", (version,))
        database.execute("create table t (a text)")
        database.executemany("insert into t values (?)", [(f"row {i} " * 20,) for i in range(rows)])
        database.commit()
    return path


KNOWN = [("prefect", "a3b9c7d2e5f1"), ("mlflow", "df50e92ffc5e")]


@pytest.mark.parametrize(("program", "version"), KNOWN)
def test_a_sound_database_of_a_known_version_is_accepted(tmp_path, program, version):
    check_database(make(tmp_path / "it's 100% #1.db", version), program)
    check_database(tmp_path / "none.db", program)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(("program", "version"), KNOWN)
@pytest.mark.parametrize("damage", ["no database", "cut", "a page overwritten", "a folder"])
def test_a_damaged_database_is_named_with_its_fix(tmp_path, program, version, damage):
    path = make(tmp_path / f"{program}.db", version)
    content = path.read_bytes()
    if damage == "no database":
        path.write_bytes(b"no database" * 1000)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "a page overwritten":
        path.write_bytes(content[:40960] + b"\xff" * 4096 + content[45056:])
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(BadInput, match=rf"{path} cannot be opened \(.+\): put a copy of it back, or remove") as refused:
        check_database(path, program)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("program", ["prefect", "mlflow"])
def test_a_database_of_a_newer_version_is_refused(tmp_path, program):
    path = make(tmp_path / f"{program}.db", "ffffffffffff")
    with pytest.raises(BadInput, match=rf"newer than the installed one \(schema ffffffffffff\): update {program}"):
        check_database(path, program)
