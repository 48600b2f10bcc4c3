"""A lake in a bucket, of which the home's folder on this machine holds copies of what was written or read here.

A file's object is named after its SHA-256, `<partition>/<12 digits>/<name>`: two writers never write the same object,
and none is ever replaced. Its entry is stored beside its bytes, so that a file and its sidecar are one. The
manifest is put where none is, and decides. Copies are compared with their checksum as they arrive.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from functools import cache
from pathlib import Path, PurePosixPath

from warehouse.errors import CorruptPartition, InvalidName, WriterBusy
from warehouse.home import Home
from warehouse.lake import atomic, files, object_lease
from warehouse.lake.bucket import Bucket, Stored, open_bucket, sha256_of
from warehouse.lake.keys import short
from warehouse.lake.lease import Leases, is_lease, lease, lease_of
from warehouse.lake.listing import CURRENT, Listing, Snapshot, by_partition
from warehouse.lake.manifest import MANIFEST, REJECTED, FileEntry, Manifest
from warehouse.lake.store import ALONE, Stamps, damaged_file

ETAG = ".etag"


class Mirror:
    """The store of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @property
    def bucket(self) -> Bucket:
        return _bucket(str(self.home), os.getpid())

    @property
    def leases(self) -> Leases:
        return self

    def where(self, path: Path) -> str:
        return f"{self.home}/{self._key(path)}"

    # ── what is there ────────────────────────────────────────────────────────────────────────────────────────────

    def snapshot(self, below: Path) -> AbstractContextManager[None]:
        return Snapshot(self._key(below))

    def folders(self, below: Path) -> Iterator[Path]:
        for folder in sorted(map(PurePosixPath, self._listed(below)), key=lambda path: path.parts):
            yield self.home.root / folder

    def stamps(self, below: Path) -> Stamps:
        prefix = f"{self._key(below)}/"
        return {
            (folder.removeprefix(prefix), name): (objects[name].size, _number(objects[name].etag))
            for folder, objects in self._listed(below).items()
            for name in (MANIFEST, REJECTED)
            if name in objects
        }

    def names(self, folder: Path) -> set[str]:
        here = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        return here | {PurePosixPath(name).name for name in self._objects(folder)}

    def manifest(self, folder: Path, name: str = MANIFEST) -> Manifest | None:
        stored, copy = self._objects(folder).get(name), folder / name
        if stored is None:
            copy.unlink(missing_ok=True)
            return None
        text = copy.read_bytes() if copy.exists() else None
        if text is None or f'"{hashlib.md5(text, usedforsecurity=False).hexdigest()}"' != stored.etag:
            if (content := self.bucket.get(self._key(copy))) is None:
                return None
            if content.data != text:
                self._receive(folder, name, content.data)
            text = content.data
        return Manifest.from_json(text, self.where(copy))

    def fault(self, folder: Path, entry: FileEntry) -> str | None:
        stored = self._objects(folder).get(_object(entry))
        if stored is None:
            return "it is missing"
        return None if stored.size == entry.bytes else f"it has {stored.size} bytes, not {entry.bytes}"

    def mismatch(self, folder: Path, entry: FileEntry) -> str | None:
        if fault := self.fault(folder, entry):
            return fault
        with suppress(FileNotFoundError):
            digest = sha256_of(self.bucket.blocks(self._key(folder / _object(entry))))
            return None if digest == entry.sha256 else f"its sha256 is {digest}, not {entry.sha256}"
        return "it is missing"

    # ── copies ───────────────────────────────────────────────────────────────────────────────────────────────────

    def fetch(self, folder: Path, entry: FileEntry) -> None:
        if files.quick_check(folder, entry) is None:
            return
        path, digest = folder / entry.name, hashlib.sha256()
        with atomic.translate_os_errors(path, entry.bytes):
            atomic.make_folder(folder)
            with atomic.replaced(path, sync=False) as temporary:
                try:
                    with temporary.open("xb") as file:
                        for block in self.bucket.blocks(self._key(folder / _object(entry))):
                            file.write(block)
                            digest.update(block)
                except FileNotFoundError:
                    raise damaged_file(self, folder, _object(entry), "it is missing") from None
                if digest.hexdigest() != entry.sha256:
                    fault = f"its sha256 is {digest.hexdigest()}, not {entry.sha256}"
                    raise damaged_file(self, folder, _object(entry), fault)

    def read(self, folder: Path, entry: FileEntry, start: int, stop: int) -> bytes:
        try:
            data = b"".join(self.bucket.blocks(self._key(folder / _object(entry)), start, stop))
        except FileNotFoundError:
            raise damaged_file(self, folder, _object(entry), "it is missing") from None
        if len(data) != stop - start:
            raise damaged_file(self, folder, _object(entry), f"it has fewer than {entry.bytes} bytes")
        return data

    def damaged(self, path: Path, fault: str) -> CorruptPartition:
        path.unlink(missing_ok=True)
        return CorruptPartition(
            f"{path}, a copy of {self.where(path)}, is damaged ({fault}) and was removed: run the same command again,"
            " which fetches it anew"
        )

    def has(self, path: Path) -> bool:
        return self.bucket.etag(self._key(path)) is not None

    def pull(
        self,
        path: Path,
        prepare: Callable[[Path], None] = lambda path: None,
        alone: AbstractContextManager[None] = ALONE,
    ) -> bool:
        known, key = path.with_name(f"{path.name}{ETAG}"), self._key(path)
        etag = self.bucket.etag(key)
        if etag is None or (path.exists() and known.exists() and known.read_text() == etag):
            return False
        with alone, atomic.translate_os_errors(path, 0):
            atomic.make_folder(path.parent)
            with atomic.replaced(path, sync=False) as temporary:
                with temporary.open("xb") as file:
                    for block in self.bucket.blocks(key):
                        file.write(block)
                prepare(temporary)
            atomic.write(known, etag.encode(), sync=False)
        return True

    def _receive(self, folder: Path, name: str, text: bytes) -> None:
        """Keep a manifest; files beside it whose checksums it does not list are another writer's."""
        with atomic.translate_os_errors(folder / name, len(text)):
            atomic.make_folder(folder)
            with suppress(CorruptPartition):
                for entry in Manifest.from_json(text, name).files if name == MANIFEST else []:
                    if (folder / entry.name).exists() and files.mismatch(folder, entry):
                        (folder / entry.name).unlink()
            atomic.write(folder / name, text, sync=False)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, folder: Path, key: str, name: str) -> FileEntry | None:
        named = [stored for path, stored in self._objects(folder).items() if path.endswith(f"/{name}")]
        for stored in sorted(named, key=lambda stored: -stored.modified):
            beside = self.bucket.metadata(stored.key) or {}
            with suppress(KeyError, ValueError, InvalidName):
                rows = int(beside["rows"]) if "rows" in beside else None
                entry = FileEntry(name, rows, stored.size, beside["sha256"], beside.get("footer"))
                if beside["key"] == key:
                    return entry
        return None

    def keep(self, folder: Path, key: str, entry: FileEntry) -> bool:
        if self.fault(folder, entry) is None:
            return True
        if files.quick_check(folder, entry):
            return False
        beside = {"key": key, "sha256": entry.sha256}
        if entry.rows is not None and entry.footer is not None:
            beside |= {"rows": str(entry.rows), "footer": entry.footer}
        self.bucket.upload(self._key(folder / _object(entry)), folder / entry.name, beside)
        return True

    def publish(self, folder: Path, name: str, text: bytes) -> bool:
        key = self._key(folder / name)
        if self.bucket.put(key, text, absent=name == MANIFEST) is None:
            there = self.bucket.get(key)
            if there is None or there.data != text:  # the same, where the answer to the first request was lost
                return False
        atomic.write(folder / name, text, sync=False)
        return True

    def retract(self, folder: Path) -> None:
        objects = self._objects(folder)
        self.bucket.delete(objects[name].key for name in (MANIFEST, REJECTED) if name in objects)

    def discard(self, folder: Path, entries: Iterable[FileEntry]) -> None:
        self.bucket.delete(self._key(folder / _object(entry)) for entry in entries)

    def push(self, path: Path) -> None:
        self.bucket.upload(self._key(path), path, {})
        if etag := self.bucket.etag(self._key(path)):
            atomic.write(path.with_name(f"{path.name}{ETAG}"), etag.encode(), sync=False)

    @contextmanager
    def shown(self, path: Path) -> Iterator[str]:
        self.bucket.put(self._key(path), path.read_bytes())
        try:
            yield self.where(path)
        finally:
            self.bucket.delete([self._key(path)])

    def sweep(self, older_than: timedelta) -> list[str]:
        bucket, removed = self.bucket, list[str]()
        deadline = bucket.now() - older_than.total_seconds()
        for key in [each.key for each in bucket.list("") if is_lease(each.key)]:
            if object_lease.take_abandoned(bucket, key):
                bucket.delete([key])
                removed.append(key)
        with self.snapshot(self.home.lake):
            listed = {self.home.root / name: objects for name, objects in self._listed(self.home.lake).items()}
            folders = [folder for folder, objects in listed.items() if any(self._orphans(folder, objects, deadline))]
        for folder in folders:
            with suppress(WriterBusy), lease(lease_of(folder), timeout=1, by=self):  # nobody begins to compute it now
                keys = [each.key for each in self._orphans(folder, self._objects(folder), deadline)]
                bucket.delete(keys)
                removed += keys
        removed += bucket.abort_uploads(f"{self._key(self.home.lake)}/", deadline, self._is_computed)
        return [f"{self.home}/{key}" for key in removed]

    def _is_computed(self, key: str) -> bool:
        """Whether the partition that an object belongs to is being computed."""
        return self.owner(lease_of((self.home.root / key).parent)) is not None

    def _orphans(self, folder: Path, objects: dict[str, Stored], deadline: float) -> Iterator[Stored]:
        """Yield orphans: files that a published partition's manifest does not list, else all of a partition, if none is
        recent."""
        if MANIFEST in objects:
            with suppress(CorruptPartition):
                if manifest := self.manifest(folder):
                    listed = {MANIFEST, *map(_object, manifest.files)}
                    yield from (
                        each for name, each in objects.items() if name not in listed and each.modified <= deadline
                    )
        elif all(each.modified <= deadline for each in objects.values()):
            yield from objects.values()

    # ── leases ───────────────────────────────────────────────────────────────────────────────────────────────────

    def acquire(self, path: Path, timeout: float) -> AbstractContextManager[None]:
        return object_lease.acquired(self.bucket, self._key(path), timeout)

    def owner(self, path: Path) -> str | None:
        return object_lease.owner(self.bucket, self._key(path))

    # ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _key(self, path: Path) -> str:
        return path.relative_to(self.home.root).as_posix()

    def _objects(self, folder: Path) -> dict[str, Stored]:
        """Return the objects of a partition by the name below its folder."""
        return self._listed(folder).get(self._key(folder), {})

    def _listed(self, below: Path) -> Listing:
        prefix, snapshot = self._key(below), CURRENT.get()
        if snapshot is None or not snapshot.covers(prefix):
            return by_partition(self.bucket.list(f"{prefix}/"))
        if snapshot.listing is None:
            snapshot.listing = by_partition(self.bucket.list(f"{snapshot.prefix}/"))
        if PurePosixPath(prefix).name.startswith("key="):
            return {prefix: snapshot.listing.get(prefix, {})}
        return {folder: each for folder, each in snapshot.listing.items() if folder.startswith(f"{prefix}/")}


@cache
def _bucket(url: str, process: int) -> Bucket:
    """Return the bucket's client; a process that was forked has its own connections."""
    return open_bucket(url)


def _object(entry: FileEntry) -> str:
    return f"{short(entry.sha256)}/{entry.name}"


def _number(etag: str) -> int:
    return int(hashlib.sha256(etag.encode()).hexdigest()[:15], 16)
