"""Removing what crashes left behind: temporaries, partitions never published, files no manifest lists, leases."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from warehouse.errors import CorruptPartition, WriterBusy
from warehouse.home import Home
from warehouse.lake import atomic
from warehouse.lake.lease import Leases, lease, lease_of, sweep_leases
from warehouse.lake.manifest import MANIFEST, Manifest, partition_folders
from warehouse.lake.sidecars import SIDECAR
from warehouse.lake.store import store_of


def sweep(home: Home, older_than: timedelta = timedelta(days=1)) -> list[Path | str]:
    """Remove from the lake, and beside the catalog, what no manifest lists and was not modified for `older_than`, and
    leases of processes that are gone.

    A writer's partition is young as a whole: as long as any of its files is, all of them stay, finished parts
    included; one that is being computed stays at any age. What is published, and what a damaged manifest may still
    describe, is never touched. Returns the paths of what was removed, folders for whole partitions; of a home in a
    bucket the objects too.
    """
    deadline = time.time() - older_than.total_seconds()
    unfinished = sorted(home.root.glob(f"{home.catalog.name}{atomic.TEMPORARY}*"))  # catalogs
    removed = [path for path in unfinished if _remove_old(path, deadline)] + sweep_leases(home.lake)
    store = store_of(home)
    for folder in partition_folders(home.lake):
        with suppress(FileNotFoundError, WriterBusy), atomic.locked(folder, create=False):
            removed += _sweep_partition(folder, deadline, store.leases)
    return [*removed, *store.sweep(older_than)]


def sweep_copies(home: Home, unused_for: timedelta) -> list[tuple[Path, int]]:
    """Remove this machine's copies of published files in the bucket of a home that nothing read or wrote for
    `unused_for`; they are fetched again when they are read. Returns their paths and bytes."""
    deadline, removed = time.time() - unused_for.total_seconds(), []
    for folder in partition_folders(home.lake) if home.url else ():
        for path in sorted(folder.iterdir()) if (folder / MANIFEST).exists() else ():
            stat = path.lstat()
            if path.suffix != ".json" and max(stat.st_atime, stat.st_mtime) < deadline:
                path.unlink()
                removed.append((path, stat.st_size))
    return removed


def sweep_temporaries(home: Home) -> None:
    """Remove what killed writers left in partitions: leases, temporaries, and the sidecars of what is published since.

    Files are written and listed under their folder's lock: while it is held, no process writes there.
    """
    sweep_leases(home.lake)
    for folder in partition_folders(home.lake):
        if any(_left_by_writer(folder)):
            with suppress(FileNotFoundError), atomic.locked(folder, create=False):
                for path in _left_by_writer(folder):
                    path.unlink()


def _left_by_writer(folder: Path) -> list[Path]:
    ours = (atomic.TEMPORARY, f".parquet{SIDECAR}", f".safetensors{SIDECAR}")
    wanted = ours if (folder / MANIFEST).exists() else ours[:1]
    return [path for path in folder.iterdir() if any(part in path.name for part in wanted)]


def _sweep_partition(folder: Path, deadline: float, leases: Leases) -> list[Path]:
    if any(path.lstat().st_mtime >= deadline for path in (folder, *folder.rglob("*"))):
        return []
    if (folder / MANIFEST).exists():
        return [path for path in _orphans(folder) if _remove_old(path, deadline)]
    with lease(lease_of(folder), timeout=1, by=leases):  # it is nobody's, or its process is gone
        shutil.rmtree(folder)
    return [folder]


def _orphans(folder: Path) -> Iterator[Path]:
    """Files of a published partition that its manifest does not list; none if the manifest cannot be read."""
    manifest = None
    with suppress(CorruptPartition):
        manifest = Manifest.read(folder)
    if manifest is None:
        return
    listed = {MANIFEST, *(entry.name for entry in manifest.files)}
    for path in sorted(folder.iterdir()):
        if path.name not in listed and (
            atomic.TEMPORARY in path.name or path.name.endswith((SIDECAR, ".parquet", ".safetensors"))
        ):
            yield path


def _remove_old(path: Path, deadline: float) -> bool:
    if path.is_file() and path.lstat().st_mtime < deadline:
        path.unlink()
        return True
    return False
