"""The files behind the catalog's views, read only if their bytes were compared with their checksums since they changed.

DuckDB compares no page of a Parquet file with its checksum. So the catalog keeps a stamp of each file that was found
equal to its manifest, and a file with another stamp is compared again.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from warehouse.catalog.statements import statement
from warehouse.lake import files

Stamp = tuple[int, int]
"""Time of writing in ns, and inode; the size is that in the manifest."""


@dataclass
class Verification:
    """What became of the files, by their paths below the lake."""

    sound: list[str] = field(default_factory=list)
    renewed: dict[str, Stamp] = field(default_factory=dict)
    """Those of `sound` that had another stamp and were read whole."""
    damaged: dict[str, str] = field(default_factory=dict)
    """With what is wrong with each."""
    removed: list[str] = field(default_factory=list)
    """Damaged copies of files in a bucket."""


def verification(connection: duckdb.DuckDBPyConnection, root: Path, copies: bool = False) -> Verification:
    """Compare with its checksum every file behind a view whose stamp is not the one in the catalog.

    copies: of files in a bucket: some are missing, and a damaged one is removed, to be fetched again.
    """
    seen = Verification()
    for path, size, sha256, written, inode in connection.execute(statement("published")).fetchall():
        stamp = _stamp(f"{root}/{path}", size)
        if stamp is not None and stamp == (written, inode):
            seen.sound.append(path)
        elif copies and not (root / path).exists():
            continue
        elif fault := files.other_bytes(root / path, sha256):
            if copies:
                (root / path).unlink(missing_ok=True)
                seen.removed.append(path)
                continue
            seen.damaged[path] = fault
        elif stamp is not None:
            seen.sound.append(path)
            seen.renewed[path] = stamp
    return seen


def stamp_rows(renewed: Mapping[str, Stamp]) -> pa.Table:
    """Return stamps as rows of the table state.verified."""
    schema = pa.schema([("path", pa.string()), ("written", pa.int64()), ("inode", pa.uint64())])
    values = [{"path": path, "written": written, "inode": inode} for path, (written, inode) in renewed.items()]
    return pa.Table.from_pylist(values, schema)


def _stamp(path: str, size: int) -> Stamp | None:
    """Return the stamp of a file of `size` bytes, None if there is none."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - of thousands, without a Path for each
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ino) if stat.st_size == size else None
