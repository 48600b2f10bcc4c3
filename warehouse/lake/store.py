"""Where a lake's files lie for all who read them: in the home's folder, or in a bucket, of which the folder has copies.

A partition is written and read in its folder on this machine. The store lists what is published, fetches files for
reading, and uploads what is written. Paths are those of the folder.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from warehouse.errors import CorruptPartition
from warehouse.home import Home
from warehouse.lake import atomic, files
from warehouse.lake.lease import FILES, Leases
from warehouse.lake.manifest import MANIFEST, REJECTED, FileEntry, Manifest, partition_folders

Stamps = dict[tuple[str, str], tuple[int, int]]
"""{(path of a partition, file name of its manifest): numbers}: equal ones mean the same manifest."""


ALONE: AbstractContextManager[None] = nullcontext()  # of who is alone already


class Store(Protocol):
    """What a lake asks of the place where its files lie."""

    @property
    def leases(self) -> Leases:
        """Return where the leases of all who write there are kept."""

    def where(self, path: Path) -> str:
        """Return a path as messages show it."""

    def snapshot(self, below: Path) -> AbstractContextManager[None]:
        """Let the block see one state of what lies below a folder, as it was at the first look."""

    def folders(self, below: Path) -> Iterator[Path]:
        """Yield the folders of all partitions, in the order of their paths."""

    def stamps(self, below: Path) -> Stamps:
        """Return the stamp of every manifest, of published and rejected partitions."""

    def names(self, folder: Path) -> set[str]:
        """Return the names of a partition's files, published or not."""

    def manifest(self, folder: Path, name: str = MANIFEST) -> Manifest | None:
        """Return a partition's manifest, None without one; raises CorruptPartition where it is unreadable."""

    def fault(self, folder: Path, entry: FileEntry) -> str | None:
        """Return how a file differs from its entry, seen without reading it; None if it does not."""

    def mismatch(self, folder: Path, entry: FileEntry) -> str | None:
        """Return how a file differs from its entry in any byte; None if it does not. Reads all of it."""

    def fetch(self, folder: Path, entry: FileEntry) -> None:
        """See to it that a file can be read in its folder. Raises CorruptPartition where it is not as its entry."""

    def read(self, folder: Path, entry: FileEntry, start: int, stop: int) -> bytes:
        """Return a range of a published file, from where it lies. Raises CorruptPartition where it is missing there."""

    def find(self, folder: Path, key: str, name: str) -> FileEntry | None:
        """Return the entry of a file that another machine wrote whole."""

    def keep(self, folder: Path, key: str, entry: FileEntry) -> bool:
        """Return whether a file that was written is there for everyone, after bringing it there."""

    def publish(self, folder: Path, name: str, text: bytes) -> bool:
        """Write a manifest, in one step; return False where another machine's is there."""

    def retract(self, folder: Path) -> None:
        """Remove a partition's manifests for everyone; those in the folder are the partition's to remove."""

    def discard(self, folder: Path, entries: Iterable[FileEntry]) -> None:
        """Remove files for everyone; those in the folder stay."""

    def has(self, path: Path) -> bool:
        """Return whether a file of the home, none of the lake's, is there for everyone."""

    def push(self, path: Path) -> None:
        """Bring such a file to where everyone reads it."""

    def damaged(self, path: Path, fault: str) -> CorruptPartition:
        """Return the error for a file here that cannot be read, and the fix."""

    def pull(
        self,
        path: Path,
        prepare: Callable[[Path], None] = ...,
        alone: AbstractContextManager[None] = ...,
    ) -> bool:
        """Bring the newest version of such a file here, changed by `prepare` before anyone sees it; return whether it
        is another than before. `alone` is entered before it is replaced."""

    def shown(self, path: Path) -> AbstractContextManager[str]:
        """Let every machine read a file of this one for a while, by the address that the block is given."""

    def sweep(self, older_than: timedelta) -> list[str]:
        """Remove what no manifest lists and was not modified for this long, and abandoned leases."""


class Folder:
    """The home's own folder: readers see what is written there."""

    leases: Leases = FILES
    folders = staticmethod(partition_folders)
    manifest = staticmethod(Manifest.read)
    fault = staticmethod(files.quick_check)
    mismatch = staticmethod(files.mismatch)
    fetch = staticmethod(files.check_entry)
    damaged = staticmethod(files.damaged)

    def where(self, path: Path) -> str:
        return str(path)

    def snapshot(self, below: Path) -> AbstractContextManager[None]:
        return nullcontext()

    def stamps(self, below: Path) -> Stamps:
        stamps: Stamps = {}
        for folder in partition_folders(below):
            path = folder.relative_to(below).as_posix()
            for name in (MANIFEST, REJECTED):
                with suppress(FileNotFoundError):
                    stat = os.stat(f"{folder}/{name}")  # noqa: PTH116 - of thousands, without a Path for each
                    stamps[path, name] = (stat.st_size, stat.st_mtime_ns)
        return stamps

    def names(self, folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def read(self, folder: Path, entry: FileEntry, start: int, stop: int) -> bytes:
        with (folder / entry.name).open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def find(self, folder: Path, key: str, name: str) -> FileEntry | None:
        return None

    def keep(self, folder: Path, key: str, entry: FileEntry) -> bool:
        return files.quick_check(folder, entry) is None

    def publish(self, folder: Path, name: str, text: bytes) -> bool:
        atomic.write(folder / name, text)
        return True

    def retract(self, folder: Path) -> None: ...

    def discard(self, folder: Path, entries: Iterable[FileEntry]) -> None: ...

    def has(self, path: Path) -> bool:
        return path.exists()

    def push(self, path: Path) -> None: ...

    def pull(
        self,
        path: Path,
        prepare: Callable[[Path], None] = lambda path: None,
        alone: AbstractContextManager[None] = ALONE,
    ) -> bool:
        return False

    def shown(self, path: Path) -> AbstractContextManager[str]:
        return nullcontext(str(path))

    def sweep(self, older_than: timedelta) -> list[str]:
        return []


FOLDER = Folder()


@cache
def store_of(home: Home) -> Store:
    """Return where the files of a home lie."""
    return FOLDER if home.url is None else cast("Store", import_module("warehouse.lake.mirror").Mirror(home))


def damaged_file(store: Store, folder: Path, name: str, fault: str) -> CorruptPartition:
    """Return the error that names what is wrong with a published file, and the fix."""
    return CorruptPartition(
        f"{store.where(folder / name)} is damaged ({fault}): remove the folder {store.where(folder)}; the next run"
        " computes it again"
    )
