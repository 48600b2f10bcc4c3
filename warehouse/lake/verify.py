"""Every byte that was published against the manifest that lists it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import CorruptPartition
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.store import damaged_file


@dataclass(frozen=True)
class Verified:
    """One folder of the lake."""

    folder: Path
    published: bool
    files: int
    bytes: int
    faults: list[str]
    """What is damaged or missing, each with its fix."""


def verify(home: Home) -> Iterator[Verified]:
    """Re-hash every published file, a partition at a time, in the order of their paths. Changes nothing."""
    lake = Lake(home)
    store = lake.store
    snapshot = store.snapshot(home.lake)
    with snapshot:
        folders = list(store.folders(home.lake))
    for folder in folders:
        with snapshot:
            seen = _verified(lake, folder)
        yield seen


def _verified(lake: Lake, folder: Path) -> Verified:
    try:
        manifest = lake.manifest_in(folder)
    except CorruptPartition as error:
        return Verified(folder, True, 0, 0, [str(error)])
    entries = manifest.files if manifest else []
    checked = [(entry, lake.store.mismatch(folder, entry)) for entry in entries]
    faults = [str(damaged_file(lake.store, folder, entry.name, fault)) for entry, fault in checked if fault]
    return Verified(folder, manifest is not None, len(entries), sum(entry.bytes for entry in entries), faults)


def verification_summary(seen: list[Verified]) -> str:
    """Return `12 partitions, 30 files, 4.1 MB: all as published`, or how many are not."""
    published = [one for one in seen if one.published]
    faults = sum(len(one.faults) for one in seen)
    size = sum(one.bytes for one in published) / 1e6
    state = f"{faults} damaged or missing" if faults else "all as published"
    return f"{len(published)} partitions, {sum(one.files for one in published)} files, {size:,.1f} MB: {state}"
