"""The objects of a lake in a bucket, and one state of them for the time of a block."""

from collections.abc import Iterator
from contextvars import ContextVar, Token

from warehouse.lake.bucket import Stored

Listing = dict[str, dict[str, Stored]]
"""The objects of partitions, by the partition's path and the name below it."""
CURRENT: ContextVar["Snapshot | None"] = ContextVar("snapshot", default=None)


class Snapshot:
    """One state of the objects below a prefix; may be entered again. Within another that covers it, that one counts."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.listing: Listing | None = None
        self._tokens: list[Token[Snapshot | None]] = []

    def covers(self, prefix: str) -> bool:
        return f"{prefix}/".startswith(f"{self.prefix}/")

    def __enter__(self) -> None:
        outer = CURRENT.get()
        self._tokens.append(CURRENT.set(outer if outer and outer.covers(self.prefix) else self))

    def __exit__(self, *_: object) -> None:
        CURRENT.reset(self._tokens.pop())


def by_partition(objects: Iterator[Stored]) -> Listing:
    """Return the objects that lie in partitions."""
    listing: Listing = {}
    for stored in objects:
        folders, mark, below = stored.key.partition("/key=")
        key, _, name = below.partition("/")
        if mark and name:
            listing.setdefault(f"{folders}/key={key}", {})[name] = stored
    return listing
