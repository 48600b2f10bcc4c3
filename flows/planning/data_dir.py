"""Where local copies of data sets lie, and that local files are there."""

import os
from collections.abc import Iterable
from pathlib import Path

from vocabsem.errors import SourceError
from vocabsem.sources.fetching import fetch
from vocabsem.sources.parsing import parse_source


def find_data_dir(data_dir: str | None) -> Path | None:
    """`data_dir`, else `VOCABSEM_DATA_DIR`; raises SourceError if it is no folder."""
    named = data_dir or os.environ.get("VOCABSEM_DATA_DIR")
    if named and not Path(named).is_dir():
        raise SourceError(f"data folder {named!r} does not exist: fix --data-dir or VOCABSEM_DATA_DIR")
    return Path(named) if named else None


def require_files(sources: Iterable[str], cache: Path) -> None:
    """Raise SourceError for the first source of this machine, `file:` or `python:`, that does not exist."""
    for source in sources:
        if parse_source(source).local:
            fetch(source, cache)
