"""One writer of the catalog at a time, and a name for whoever it is."""

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from warehouse import durable
from warehouse.errors import WriterBusy
from warehouse.home import Home


@contextmanager
def only_writer(home: Home, timeout: float) -> Iterator[None]:
    """Hold the catalog's writer lock; the system frees it when its holder dies.

    Raises WriterBusy, naming the holder, if it is not free within `timeout` seconds.
    """
    path = home.catalog.with_suffix(".lock")
    with durable.explained(path, 0):
        durable.make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, path, timeout)
        holder = f"process {os.getpid()} on {platform.node()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
                raise WriterBusy(
                    f"the catalog of {path.parent} is being written by {holder}: waited {timeout:g} s; try again "
                    "when it is done, or end that process"
                ) from None
            time.sleep(0.02)
