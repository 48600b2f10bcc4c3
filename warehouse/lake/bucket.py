"""Objects of a bucket: read, listed, deleted, put on a condition; files stream up and down by blocks.

Which package talks to a store its module says. What the store refuses for a moment (503, lost connections) is repeated
by that package, with pauses that grow.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from warehouse.errors import StoreUnavailable

BLOCK = 8 * 2**20  # bytes of a request, more where an object would have over MOST_BLOCKS
MOST_BLOCKS = 10_000
ATTEMPTS = 8  # of a request, over about a minute
ANSWER_SECONDS = 5
SLOW_SECONDS = 60  # of a request that carries a block
# What is wrong, and the fix, where stores of every kind have it
NO_BUCKET = ("there is no such bucket", "create it, or choose another home with --home or VOCABSEM_HOME")
DENIED = ("access is denied", "let these credentials list, read, write and delete there")
SKEWED = ("this machine's clock and the store's are apart", "set the clock")
LATER = ("it refuses requests, repeated ones too", "run the same command later; what is finished is kept")
EXPIRED = ("credentials expired", "get new ones")
_MODULES = {  # by scheme: module, class, extra
    "s3": ("s3_bucket", "S3Bucket", "s3"),
    "gs": ("obstore_bucket", "ObstoreBucket", "gs"),
    "abfs": ("obstore_bucket", "ObstoreBucket", "azure"),
}


@dataclass(frozen=True)
class Stored:
    """An object as a listing has it."""

    key: str
    size: int
    etag: str
    modified: float
    """Seconds since 1970, by the store's clock."""


@dataclass(frozen=True)
class Content:
    """A small object."""

    data: bytes
    etag: str
    age: float
    """Seconds since it was written, both by the store's clock."""


class Bucket(Protocol):
    """The objects below `scheme://bucket/prefix`; keys are relative to it. Threads may share one.

    An ETag is what the store names one state of an object by; those of listings compare with one another only. Where
    the bucket cannot be used every method raises StoreUnavailable, in one line that holds no credentials.
    """

    url: str

    def get(self, key: str) -> Content | None:
        """Return a small object, None if there is none."""

    def metadata(self, key: str) -> Mapping[str, str] | None:
        """Return what is stored beside an object, None if there is none."""

    def now(self) -> float:
        """Return the time, by the store's clock, in seconds since 1970."""

    def etag(self, key: str) -> str | None:
        """Return an object's ETag, None if there is none."""

    def blocks(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield an object's bytes, all or those from `start` to `stop`, by blocks; raises FileNotFoundError if there is
        none, or it ends before `start`.

        A lost connection is resumed from there, as long as the object is the same.
        """

    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects below a prefix, empty or ending in a slash, in the order of their keys."""

    def put(self, key: str, data: bytes, *, absent: bool = False, replacing: str | None = None) -> str | None:
        """Write a small object at once. Returns its ETag, None where a condition does not hold.

        absent: that there is no such object. replacing: that it has this ETag.
        """

    def upload(self, key: str, path: Path, metadata: Mapping[str, str]) -> None:
        """Write a file as an object, a block of it in memory at a time; the object is there when all of it is."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, those aside that are not there."""

    def abort_uploads(self, prefix: str, before: float, busy: Callable[[str], bool]) -> Sequence[str]:
        """Remove what uploads that began before this time, and never ended, have left, but for busy keys. Returns the
        others' keys; none where the store lists no uploads, or ends them by itself."""


def open_bucket(url: str) -> Bucket:
    """Return the bucket at `scheme://bucket/prefix`, after a first request. Raises StoreUnavailable."""
    module, name, extra = _MODULES[url.partition(":")[0]]
    try:
        bucket_class: Callable[[str], Bucket] = getattr(import_module(f"warehouse.lake.{module}"), name)
    except ImportError as error:
        raise StoreUnavailable(
            f"the home {url} needs the package {error.name}: pip install 'vocabsem[{extra}]'"
        ) from None
    return bucket_class(url)


def content_of(address: str) -> str:
    """Return the text of a small object; empty where it cannot be read."""
    url, _, key = address.rpartition("/")
    try:
        content = open_bucket(url).get(key)
    except StoreUnavailable:
        return ""
    return content.data.decode() if content else ""


def unusable(url: str, fault: str, request: str, fix: str) -> StoreUnavailable:
    """Return the error of a bucket that cannot be used."""
    return StoreUnavailable(f"{url} cannot be used: {fault}{f' ({request})' if request else ''}: {fix}")


def sha256_of(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
