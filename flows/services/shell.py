"""DuckDB's own shell on the catalog, opened read-only."""

import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from flows.execution.activity import line
from vocabsem.errors import BadInput
from warehouse.catalog.catalog import connect
from warehouse.home import Home

PROGRAM = "duckdb"
INSTALL = "pip install 'vocabsem[shell]'"


def open_shell(home: Home, command: str | None, ui: bool) -> NoReturn:
    """Turn this process into the shell; with a command, into one that runs it and ends.

    Raises BadInput where the shell is not installed, NotPublished where there is no catalog.
    """
    program = shell_program()
    with closing(connect(home)):  # as new as its lake, its files as they were published
        pass
    words = [PROGRAM, "-readonly", *(["-ui"] if ui else []), str(home.catalog), *(["-c", command] if command else [])]
    sys.stdout.flush()
    line.stop()
    os.execv(program, words)  # noqa: S606  # a program of the user, with words of ours


def shell_program() -> str:
    """Return the path of DuckDB's shell: beside this Python, or on PATH. Raises BadInput where there is none."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which(PROGRAM, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if program is None:
        raise BadInput(f"DuckDB's shell is not installed: {INSTALL}; `vocabsem sql` needs none")
    return program
