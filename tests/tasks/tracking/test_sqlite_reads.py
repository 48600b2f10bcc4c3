"""Databases are read with all that was committed, also by who cannot write beside them."""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from tasks.tracking.sqlite_reads import read_only


def rows(path):
    with read_only(path) as database:
        return database.execute("select a from t").fetchall()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "it's 100% #1 é.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table t (a)")
        database.execute("insert into t values (1)")
        database.commit()
    return path


def not_writable(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: path != folder)


@pytest.fixture(params=[True, False], ids=["writable", "not writable"])
def folder_is_writable(request, monkeypatch, path):
    if not request.param:
        not_writable(path.parent, monkeypatch)
    return request.param


def test_a_closed_database_is_read(path, folder_is_writable):
    assert rows(path) == [(1,)]


def test_a_database_in_use_is_read_with_its_log(path, folder_is_writable):
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("insert into t values (2)")
        writer.commit()
        assert path.with_name(f"{path.name}-wal").stat().st_size
        assert rows(path) == [(1,), (2,)]


def test_a_log_that_a_killed_writer_left_is_read(path, monkeypatch):
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("insert into t values (2)")
        writer.commit()
        left = shutil.copytree(path.parent, path.parent.with_name("left"))
    left.joinpath(f"{path.name}-shm").unlink()
    not_writable(left, monkeypatch)
    before = sorted(left.iterdir())
    assert rows(left / path.name) == [(1,), (2,)]
    assert sorted(left.iterdir()) == before


def test_what_is_read_without_the_right_to_write_leaves_nothing(path, monkeypatch):
    not_writable(path.parent, monkeypatch)
    before = sorted(path.parent.iterdir())
    with read_only(path) as database, pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.execute("insert into t values (3)")
    assert sorted(path.parent.iterdir()) == before


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(sqlite3.OperationalError), read_only(tmp_path / "none.db"):
        pass
    assert not list(tmp_path.iterdir())
