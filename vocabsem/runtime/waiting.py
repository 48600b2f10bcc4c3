"""Wait for a lock, and print what holds it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["held"]

SILENT_SECONDS = 2.0


@contextmanager
def held(path: Path, what: str, *, timeout: float = -1) -> Iterator[None]:
    """Hold the lock at a path; a wait of more than a moment is reported on standard error.

    Parameters
    ----------
    path : Path
        The lock's file, in a folder that exists.
    what : str
        What the process does that has it, as in ``fetches the model``.
    timeout : float
        Seconds to wait after the report; without limit by default.

    Raises
    ------
    filelock.Timeout
        Where the lock is not free in time.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=SILENT_SECONDS)
    except Timeout:
        sys.stderr.write(f"waiting for another process, which {what}\n")
        lock.acquire(timeout=timeout)
    try:
        yield
    finally:
        lock.release()
