"""A lease as an object of a bucket: made where there is none, written again while it is held, then deleted.

Each of these writes has a condition, so that of several processes one succeeds. How old a lease is the store's clock
says: those of the machines may differ.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from filelock import Timeout

from warehouse.errors import StoreUnavailable
from warehouse.lake.bucket import Bucket, Content
from warehouse.process import has_ended, this_process

SECONDS = 60.0  # since it was last written, after which its owner is taken for gone
BEAT = 15.0  # seconds from one writing to the next
FIRST, LONGEST = 0.1, 2.0  # seconds from one try to the next
_conditional: set[str] = set()  # buckets that were seen to obey a condition


@contextmanager
def acquired(bucket: Bucket, key: str, timeout: float) -> Iterator[None]:
    """Hold the lease `key`. Raises filelock's Timeout if it is not free within `timeout` seconds, negative for ever."""
    data = json.dumps({"process": this_process(), "token": uuid4().hex}).encode()
    held, released = [_take(bucket, key, data, timeout)], threading.Event()
    beating = threading.Thread(target=_beat, args=(bucket, key, data, held, released), daemon=True)
    beating.start()
    try:
        yield
    finally:
        released.set()
        beating.join()
        if bucket.etag(key) == held[0]:
            bucket.delete([key])


def owner(bucket: Bucket, key: str) -> str | None:
    """Return the holder of a lease, as `pid 7 on host`; None if it is free."""
    content = bucket.get(key)
    known = _process(content) if content else None
    if known is None:
        return None
    host, pid, _ = known.split()
    return f"pid {pid} on {host.partition('@')[0]}"


def is_abandoned(content: Content) -> bool:
    """Return whether a lease's owner is gone: it ended where this process runs, or is silent for SECONDS."""
    return content.age > SECONDS or has_ended(_process(content))


def take_abandoned(bucket: Bucket, key: str) -> bool:
    """Return whether the owner of a lease is gone, after taking it, to be deleted."""
    content = bucket.get(key)
    return bool(content and is_abandoned(content) and bucket.put(key, b"", replacing=content.etag))


def _take(bucket: Bucket, key: str, data: bytes, timeout: float) -> str:
    deadline, pause = time.monotonic() + timeout, FIRST
    while True:
        if etag := bucket.put(key, data, absent=True):
            _require_conditions(bucket, key, data)
            return etag
        if content := bucket.get(key):
            if content.data == data:  # written, but the answer was lost and the request repeated
                return content.etag
            if is_abandoned(content) and (etag := bucket.put(key, data, replacing=content.etag)):
                return etag
        if timeout >= 0 and time.monotonic() >= deadline:
            raise Timeout(key)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST)


def _require_conditions(bucket: Bucket, key: str, data: bytes) -> None:
    """Raise StoreUnavailable where the store writes an object that is there although it was to be absent."""
    if bucket.url not in _conditional and bucket.put(key, data, absent=True):
        bucket.delete([key])
        raise StoreUnavailable(
            f"{bucket.url} cannot be used: its store ignores the condition If-None-Match, so that processes would"
            " overwrite each other's work: choose another with --home or VOCABSEM_HOME"
        )
    _conditional.add(bucket.url)


def _beat(bucket: Bucket, key: str, data: bytes, held: list[str], released: threading.Event) -> None:
    """Write the lease again and again, until it is released or another process took it over."""
    while not released.wait(BEAT):
        with suppress(StoreUnavailable):  # if it lasts, the work itself ends with it
            if (etag := bucket.put(key, data, replacing=held[0])) is None:
                return
            held[0] = etag


def _process(content: Content) -> str | None:
    """Return the process that a lease names, None where it names none."""
    try:
        known = str(json.loads(content.data)["process"])
    except (ValueError, KeyError, TypeError):
        return None
    return known if len(known.split()) == 3 else None
