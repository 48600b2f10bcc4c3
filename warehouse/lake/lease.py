"""Leases: one process at a time holds that of a path; the others wait in turn.

A lease is a file that names its owner and is refreshed while it is held. One whose owner is gone is taken over: at once
on the same machine, from another machine when it was not refreshed for LEASE_SECONDS.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from filelock import SoftFileLease, Timeout

from warehouse.errors import WriterBusy
from warehouse.lake import atomic

LEASE_SECONDS = 60.0
PATIENCE_SECONDS = 0.5  # before `waiting` is called: to take over from the dead takes less
UNNAMED_SECONDS = 2.0  # from a lease's creation to its owner's name in it: it takes microseconds


class Leases(Protocol):
    """Where leases are kept."""

    def acquire(self, path: Path, timeout: float) -> AbstractContextManager[Any]:
        """Take the lease at `path`. Raises filelock's Timeout."""

    def owner(self, path: Path) -> str | None:
        """Return its holder, None if it is free or the holder is not known."""


class Files:
    """Leases as files, on this machine or in a folder that machines share."""

    def acquire(self, path: Path, timeout: float) -> AbstractContextManager[Any]:
        return _acquire(path, timeout)

    def owner(self, path: Path) -> str | None:
        known = SoftFileLease(path, lease_duration=LEASE_SECONDS).owner
        return f"pid {known.pid} on {known.hostname.partition('?')[0]}" if known else None


FILES = Files()


@contextmanager
def lease(
    path: Path, *, timeout: float = -1, waiting: Callable[[str], None] | None = None, by: Leases = FILES
) -> Iterator[None]:
    """Hold the lease at `path`; where another has it, call `waiting` once with its owner, and wait.

    Raises WriterBusy, naming the owner, if it is not free within `timeout` seconds, and NoSpace.
    """
    patience = PATIENCE_SECONDS if timeout < 0 else min(PATIENCE_SECONDS, timeout)
    with ExitStack() as stack:
        try:
            with atomic.translate_os_errors(path, 0):
                atomic.make_folder(path.parent)
                # Whoever waits next holds the queue: an owner that comes back at once waits behind it.
                for wait in (patience, timeout):
                    try:
                        with by.acquire(_queue(path), wait):
                            stack.enter_context(by.acquire(path, wait))
                        break
                    except Timeout:
                        if wait == timeout:
                            raise
                        if waiting:
                            waiting(_owner(path, by))
        except Timeout:
            raise WriterBusy(
                f"{path} is held by {_owner(path, by)}: waited {timeout:g} s; try again when it is done, or end that"
                " process"
            ) from None
        yield


@contextmanager
def leases(folders: Iterable[Path], waiting: Callable[[str], None], by: Leases = FILES) -> Iterator[None]:
    """Hold the leases of several partitions' folders, taken in one order, so that no two processes wait in a circle."""
    with ExitStack() as stack:
        for path in sorted({lease_of(folder) for folder in folders}):
            stack.enter_context(lease(path, waiting=waiting, by=by))
        yield


def lease_of(folder: Path) -> Path:
    """Return the lease of a partition's folder: one for all shots of a method, which are fitted together."""
    while folder.name.startswith(("shots=", "key=")):
        folder = folder.parent
    return folder / "lease"


def is_lease(name: str) -> bool:
    """Return whether a path is a lease's."""
    return Path(name).name.removesuffix(".next") in ("lease", "warehouse.lease")


def sweep_leases(folder: Path) -> list[Path]:
    """Remove the leases below `folder` whose owners are gone. Returns their paths."""
    removed = []
    for path in sorted([*folder.rglob("lease"), *folder.rglob("lease.next")]):
        with suppress(Timeout), _acquire(path, PATIENCE_SECONDS):
            for aside in path.parent.glob(f"{path.name}.*.*"):  # of one killed while it took the lease over
                aside.unlink()
            removed.append(path)
    return removed


def _owner(path: Path, by: Leases) -> str:
    return by.owner(path) or "another process"


def _queue(path: Path) -> Path:
    """Return the lease of who waits next for the one at `path`."""
    return path.with_name(f"{path.name}.next")


def _acquire(path: Path, timeout: float) -> AbstractContextManager[Any]:
    """Take the lease at `path`. Raises Timeout.

    One whose owner was killed before its name was in it is removed: filelock would wait for it for ever.
    """

    def cancel() -> bool:
        with suppress(FileNotFoundError):
            if _is_unnamed(path):
                with atomic.locked(path.parent, create=False):
                    if _is_unnamed(path):
                        path.unlink()
        return False

    return SoftFileLease(path, lease_duration=LEASE_SECONDS).acquire(timeout=timeout, cancel_check=cancel)


def _is_unnamed(path: Path) -> bool:
    stat = path.stat()
    return not stat.st_size and time.time() - stat.st_mtime > UNNAMED_SECONDS
