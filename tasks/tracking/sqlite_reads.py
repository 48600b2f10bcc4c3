"""Read SQLite databases of other programs, also where nothing can be written beside them."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing database to read it. SQLite writes beside one that has a write-ahead log.

    Where it cannot, a copy of both is read; a database whose log is gone was closed, and nobody changes it.
    """
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=rw" if os.access(path.parent, os.W_OK) else "immutable=1"
    if mode == "immutable=1" and log.exists():
        with TemporaryDirectory() as copy:
            for file in (log, path):
                shutil.copyfile(file, Path(copy, file.name))
            with read_only(Path(copy, path.name)) as database:
                yield database
    else:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as database:
            yield database
