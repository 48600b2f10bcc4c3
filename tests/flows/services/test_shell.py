"""DuckDB's shell: found beside this Python or on the path, opened read-only on a catalog that is there."""

import os
import sys

import pytest

from flows.services import shell
from tests.warehouse.lakes import put_examples
from vocabsem.errors import BadInput
from warehouse.catalog.catalog import rebuild
from warehouse.errors import NotPublished
from warehouse.home import Home
from warehouse.lake.partition import Lake


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A shell that prints the words it is given."""
    (tmp_path / "bin").mkdir()
    file = tmp_path / "bin" / "duckdb"
    file.write_text('#!/bin/sh\necho "$@"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(file.parent), prepend=os.pathsep)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))
    return file


def test_the_shell_opens_the_catalog_read_only(tmp_path, program, monkeypatch):
    home = Home(tmp_path / "home")
    put_examples(Lake(home), "mr")
    rebuild(home)
    started = []
    monkeypatch.setattr(os, "execv", lambda *words: started.append(words))
    shell.open_shell(home, None, ui=False)
    shell.open_shell(home, "from models", ui=True)
    assert started == [
        (str(program), ["duckdb", "-readonly", str(home.catalog)]),
        (str(program), ["duckdb", "-readonly", "-ui", str(home.catalog), "-c", "from models"]),
    ]


def test_without_a_catalog_or_a_shell(tmp_path, program, monkeypatch):
    with pytest.raises(NotPublished, match="vocabsem run CARD"):
        shell.open_shell(Home(tmp_path / "none"), None, ui=False)
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match=r"pip install 'vocabsem\[shell\]'"):
        shell.shell_program()
