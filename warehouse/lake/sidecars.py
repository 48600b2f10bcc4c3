"""What a part leaves beside itself, `part-0.parquet.json`, until a manifest lists it: that it was written whole."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from warehouse.errors import InvalidName
from warehouse.lake import atomic
from warehouse.lake.files import quick_check
from warehouse.lake.keys import canonical
from warehouse.lake.manifest import FileEntry

SIDECAR = ".json"


def read_sidecar(folder: Path, key: str, name: str) -> FileEntry | None:
    """Return the entry of a file that was written for this key, None without one."""
    try:
        sidecar = json.loads((folder / f"{name}{SIDECAR}").read_bytes())
        entry = FileEntry(**sidecar["file"])
        return entry if sidecar["key"] == key and entry.name == name else None
    except (OSError, ValueError, KeyError, TypeError, InvalidName):
        return None


def write_sidecar(folder: Path, key: str, entry: FileEntry) -> None:
    text = canonical({"key": key, "file": asdict(entry)})
    atomic.write(folder / f"{entry.name}{SIDECAR}", text.encode(), sync=False)


def restore_sidecars(folder: Path, key: str, entries: Iterable[FileEntry]) -> None:
    """Write the sidecars of those files that are as their entries say."""
    for entry in entries:
        if quick_check(folder, entry) is None:
            write_sidecar(folder, key, entry)


def remove_sidecars(folder: Path, names: Iterable[str]) -> None:
    """Remove the sidecars: without a manifest that lists them, these files belong to no partition."""
    for name in names:
        (folder / f"{name}{SIDECAR}").unlink(missing_ok=True)
