"""The lake: folders of immutable files, named by the hash of all that determines their content.

A partition is published by its manifest, which is written last; files without one are ignored. Each part leaves a
sidecar (`part-0.parquet.json`) until the manifest lists it, so that a killed run keeps the parts it finished. Writers
of a partition take turns under the folder's lock: the first to publish wins, a published file is never replaced.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import CheckFailed, CorruptPartition, InvalidName, NotPublished
from warehouse.home import Home
from warehouse.lake import atomic, files, sidecars
from warehouse.lake.keys import checked_key, checked_name, partition_key, short
from warehouse.lake.manifest import MANIFEST, REJECTED, Check, FileEntry, Manifest, failures
from warehouse.lake.sidecars import SIDECAR
from warehouse.lake.store import FOLDER, Store, damaged_file, store_of


@dataclass(frozen=True)
class Lake:
    """All partitions below one home."""

    home: Home

    @property
    def store(self) -> Store:
        return store_of(self.home)

    def partition(self, kind: str, key: str, /, **coordinates: str | int) -> "Partition":
        """Return the partition `<lake>/<kind>/<coordinate>=<value>/…/key=<12 digits>/`, whether it exists or not.

        Raises InvalidName for a kind, coordinate or key that cannot be part of a path.
        """
        path = self.home.lake / checked_name(kind, "kind")
        named = {name: checked_name(str(value), name) for name, value in coordinates.items()}
        for name, value in named.items():
            path /= f"{checked_name(name, 'coordinate')}={value}"
        return Partition(path / f"key={short(checked_key(key))}", kind, key, named, self.store)

    def manifests(self, kind: str | None = None, name: str = MANIFEST) -> Iterator[Manifest]:
        """Yield the manifests of all published partitions, in the order of their paths; by the name REJECTED, of those
        that failed a check and are not published.

        Raises CorruptPartition for a manifest that cannot be read or lies in another partition's folder.
        """
        root = self.home.lake / checked_name(kind, "kind") if kind else self.home.lake
        snapshot = self.store.snapshot(root)
        with snapshot:
            folders = list(self.store.folders(root))
        for folder in folders:
            with snapshot:
                manifest = self.manifest_in(folder, name)
            if manifest:
                yield manifest

    def manifest_in(self, folder: Path, name: str = MANIFEST) -> Manifest | None:
        """Return the manifest in a partition's folder, None without one; raises CorruptPartition as `manifests`."""
        manifest = self.store.manifest(folder, name)
        if manifest and folder != (home := self.of(manifest).path):
            there, own = self.store.where(folder / name), self.store.where(home)
            raise CorruptPartition(f"{there} belongs to {own}: move its folder back or remove it")
        return manifest

    def of(self, manifest: Manifest) -> "Partition":
        """Return the partition that `manifest` describes."""
        return self.partition(manifest.kind, manifest.key, **manifest.coordinates)


@dataclass(frozen=True)
class Partition:
    """One folder of the lake: files of one content, all or none of them published."""

    path: Path
    kind: str
    key: str
    coordinates: dict[str, str]
    store: Store = field(default=FOLDER, compare=False, repr=False)

    def __str__(self) -> str:
        return "/".join([self.kind, *(f"{k}={v}" for k, v in self.coordinates.items()), f"key={short(self.key)}"])

    def manifest(self, name: str = MANIFEST) -> Manifest | None:
        """Return the manifest, None without one for this key; by the name REJECTED, that of a failed check, until it is
        written again. Raises CorruptPartition if it cannot be read."""
        manifest = self.store.manifest(self.path, name)
        return manifest if manifest and manifest.key == self.key else None

    def require(self) -> Manifest:
        """Return the manifest; raises NotPublished without one, CorruptPartition if it cannot be read."""
        if (manifest := self.manifest()) is None:
            where = self.store.where(self.path)
            raise NotPublished(f"{self} was never published in {where}: compute it with `vocabsem run`")
        return manifest

    @property
    def published(self) -> bool:
        """Whether the manifest is there and every file it lists has its size and, in Parquet, its footer.

        Reads footers, not data: `verify` compares every byte.
        """
        with self.store.snapshot(self.path):
            manifest = self._readable()
            return manifest is not None and all(self.store.fault(self.path, entry) is None for entry in manifest.files)

    def verify(self) -> None:
        """Compare every byte with the manifest; raises CorruptPartition or NotPublished."""
        for entry in self.require().files:
            if fault := self.store.mismatch(self.path, entry):
                raise damaged_file(self.store, self.path, entry.name, fault)

    def table(self, columns: Sequence[str] | None = None, filters: Any = None, rows: range | None = None) -> pa.Table:
        """Return the rows of all `part-*.parquet` files, in the order of their names; only `columns`, only what passes
        `filters` (as in `pq.read_table`), or only those of `rows`, by position: no row group beside them is read.

        Raises NotPublished, or CorruptPartition if a file differs from the manifest or a page from its checksum.
        """
        tables, before = [], 0
        for entry in self._parts():
            start, stop = (0, None) if rows is None else (rows.start - before, rows.stop - before)
            before += entry.rows or 0
            with self._reading(entry, columns) as path:
                if stop is None:
                    tables.append(files.read(path, columns, filters))
                else:
                    tables.append(files.read_range(path, columns, max(start, 0), max(stop, 0)))
        return pa.concat_tables(tables)

    def batches(self, columns: Sequence[str], size: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows that `table` returns, at most `size` at a time and no more of them in memory; raises as it."""
        for entry in self._parts():
            with self._reading(entry, columns) as path:
                yield from files.file_batches(path, columns, size)

    def _parts(self) -> list[FileEntry]:
        published = self.require().files
        if not (parts := [entry for entry in published if entry.is_part]):
            raise NotPublished(f"{self} holds no rows: it is made of {[entry.name for entry in published]}")
        return parts

    @contextmanager
    def _reading(self, entry: FileEntry, columns: Sequence[str] | None) -> Iterator[Path]:
        """Yield the path of a part; what fails in the block is damage to it."""
        path = self.written(entry)
        try:
            if missing := set(columns or ()) - set(names := pq.read_schema(path).names):
                raise NotPublished(f"{self} has no columns {sorted(missing)}, only {names}")
            yield path
        except (OSError, pa.ArrowException) as error:
            if "FieldRef" in str(error):  # a filter over a column that is not there
                raise
            raise self.store.damaged(path, files.first_line(error)) from error

    def file(self, name: str) -> Path:
        """Return the path of a file the manifest lists; raises NotPublished or CorruptPartition."""
        manifest = self.require()
        if (entry := manifest.file(name)) is None:
            raise NotPublished(f"{self} has no file {name!r}, only {[e.name for e in manifest.files]}")
        return self.written(entry)

    def written(self, entry: FileEntry) -> Path:
        """Return the path of a file that was written whole, published or not; raises CorruptPartition."""
        self.store.fetch(self.path, entry)
        return self.path / entry.name

    def write_table(self, name: str, table: pa.Table) -> FileEntry:
        """Put `table` into the Parquet file `name`, durably, and leave its sidecar; see `write_bytes`."""
        if not name.endswith(".parquet"):
            raise InvalidName(f"{name!r} cannot hold a table: its name must end in .parquet")
        return self._write(name, files.parquet_bytes(table), table.num_rows)

    def write_bytes(self, name: str, data: bytes) -> FileEntry:
        """Put `data` into the file `name`, durably, and leave its sidecar.

        If the partition is published already, its own file stays and its entry is returned. Raises NoSpace.
        """
        if name.endswith((".parquet", SIDECAR)):
            raise InvalidName(f"{name!r} cannot hold bytes: .parquet is for tables, {SIDECAR} for manifests")
        return self._write(name, data, None)

    def finished(self, name: str) -> FileEntry | None:
        """Return the entry of a file that was written whole, by this run or a killed one: its sidecar, or the manifest,
        agrees with its size and footer."""
        with self.store.snapshot(self.path):
            entry = sidecars.read_sidecar(self.path, self.key, name)
            if entry is None and (manifest := self._readable()):
                entry = manifest.file(name)
            entry = entry or self.store.find(self.path, self.key, name)
            return entry if entry and self.store.keep(self.path, self.key, entry) else None

    def publish(
        self,
        written: Iterable[FileEntry],
        *,
        payload: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
        checks: Sequence[Check] = (),
        versions: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Make the `written` files visible by writing the manifest; returns the manifest that was published first.

        Raises CheckFailed for a failed check that is not a warning: the files stay for inspection, REJECTED beside
        them, and count as never written. Raises InvalidName if the key is not `partition_key(payload)`,
        CorruptPartition if a file is no longer what was written, NoSpace.
        """
        if partition_key(dict(payload)) != self.key:
            raise InvalidName(f"{self} is not keyed by its payload, whose key is {partition_key(dict(payload))}")
        names, failed = sorted(entry.name for entry in written), failures(checks)
        with self._writing(MANIFEST, 0):
            with self.store.snapshot(self.path):
                if self.published:
                    return self.require()
                # Another writer may have replaced a part since: what lies on the disk, and its sidecar, is what counts.
                entries = [self._still(name) for name in names]
            manifest = Manifest.of(
                self.kind,
                self.key,
                self.coordinates,
                entries,
                inputs={role: checked_key(key) for role, key in (inputs or {}).items()},
                payload=dict(payload),
                facts={} if failed else dict(facts or {}),  # of broken data, they may be no numbers
                checks=list(checks),
                versions={"python": platform.python_version(), "pyarrow": pa.__version__, **(versions or {})},
            )
            if not self._put(REJECTED if failed else MANIFEST, manifest.to_json().encode()):
                return self.require()
            sidecars.remove_sidecars(self.path, names)
            if failed:
                self.store.discard(self.path, entries)
                raise self.refused(checks)
        return manifest

    def refused(self, checks: Sequence[Check]) -> CheckFailed:
        return CheckFailed(
            f"{self} fails {failures(checks)} and was not published, nor is anything computed from it: look at"
            f" {self.path}, fix the cause, and run the same command again",
            self.key,
        )

    def _still(self, name: str) -> FileEntry:
        if (entry := self.finished(name)) is None:
            raise files.damaged(self.path / name, "it is not what was written")
        return entry

    def _put(self, name: str, text: bytes) -> bool:
        """Write a manifest; return False where another machine was first."""
        while not self.store.publish(self.path, name, text):
            if self.published:
                return False
            self.store.retract(self.path)
        return True

    def _write(self, name: str, data: Any, rows: int | None) -> FileEntry:
        entry = files.entry_of(checked_name(name, "file name"), data, rows)
        with self._writing(name, entry.bytes), self.store.snapshot(self.path):
            if self.published and (there := self.require().file(name)):
                return there
            self._unpublish()
            sidecars.remove_sidecars(self.path, [name])
            atomic.write(self.path / name, memoryview(data), accept=files.verify_written(entry))
            sidecars.write_sidecar(self.path, self.key, entry)
            self.store.keep(self.path, self.key, entry)
        return entry

    @contextmanager
    def _writing(self, name: str, size: int) -> Iterator[None]:
        try:
            with atomic.translate_os_errors(self.path / name, size), atomic.locked(self.path):
                yield
        except IsADirectoryError as error:
            raise files.damaged(Path(error.filename2 or error.filename), "it is a folder") from None

    def _unpublish(self) -> None:
        """Do it under a lock that is held: sound files keep a sidecar, so that they stay finished. A rejection is of
        files that are being replaced."""
        self.store.retract(self.path)
        (self.path / REJECTED).unlink(missing_ok=True)
        file = self.path / MANIFEST
        if file.exists():
            manifest = self._readable()
            sidecars.restore_sidecars(self.path, self.key, manifest.files if manifest else ())
            file.unlink()
            atomic.sync_folder(self.path)

    def _readable(self) -> Manifest | None:
        """Return the manifest, None also where it is unreadable."""
        try:
            return self.manifest()
        except CorruptPartition:
            return None
