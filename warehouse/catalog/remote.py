"""Large files of a home in a bucket, read by DuckDB where they lie: only the ranges that a query needs.

Of what is read in place the footer, which describes all other bytes, is compared with the checksum in the catalog.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from io import SEEK_CUR, SEEK_SET, BytesIO, RawIOBase
from pathlib import Path
from typing import Any

import duckdb
from fsspec.spec import AbstractFileSystem

from warehouse.catalog.ranged import SCHEME, address
from warehouse.catalog.statements import statement
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.lake.files import first_line, footer_fault
from warehouse.lake.manifest import FileEntry
from warehouse.lake.partition import Lake
from warehouse.lake.store import FOLDER, damaged_file

TAIL = 2**16  # bytes at a file's end that are read first; most footers are shorter


class RemoteFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files of `connection`'s catalog that are read in place, as a file system of that connection."""

    protocol = SCHEME
    cachable = False  # by fsspec, for other connections  # codespell:ignore cachable

    def __init__(self, home: Home, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__()
        self.lake = Lake(home)
        self.failure: WarehouseError | None = None
        """What reading ended with, which DuckDB knows as text only."""
        self.entries: Mapping[str, FileEntry] = {
            path: FileEntry(Path(path).name, rows, size, sha256, footer)
            for kind, path, _, _, rows, size, sha256, footer in connection.execute(statement("parts")).fetchall()
            if address(path, kind, size)
        }
        self._tails: dict[str, bytes] = {}
        self._alone = threading.Lock()
        connection.register_filesystem(self)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise what reading ended with in the block, in place of DuckDB's error."""
        try:
            yield
        except (duckdb.Error, RuntimeError):
            if self.failure:
                raise self.failure from None
            raise

    @property
    def addresses(self) -> list[str]:
        return [f"{SCHEME}://{path}" for path in self.entries]

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self._entry(path).bytes, "type": "file"}

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(0, UTC)  # published files never change

    def _open(self, path: str, mode: str = "rb", **_: Any) -> "RemoteFile":
        return RemoteFile(self, self._strip_protocol(path), self._entry(path).bytes)

    def range(self, path: str, start: int, stop: int) -> bytes:
        """Return a range of a file: of the copy on this machine, or of the object. Raises WarehouseError."""
        try:
            return self._range(path, start, stop)
        except WarehouseError as error:
            self.failure = error
            raise

    def _range(self, path: str, start: int, stop: int) -> bytes:
        entry, folder = self.entries[path], (self.lake.home.lake / path).parent
        copy = folder / entry.name
        if copy.exists() and copy.stat().st_size == entry.bytes:
            return FOLDER.read(folder, entry, start, stop)
        with self._alone:
            if (tail := self._tails.get(path)) is None:
                tail = self._tails[path] = self._footer(folder, entry)
        begins = entry.bytes - len(tail)
        if start >= begins:
            return tail[start - begins : stop - begins]
        return self.lake.store.read(folder, entry, start, stop)

    def _footer(self, folder: Path, entry: FileEntry) -> bytes:
        """Return the bytes at a file's end from its footer on, or more, after a look at their checksum."""
        wanted = TAIL
        while True:
            tail = self.lake.store.read(folder, entry, max(0, entry.bytes - wanted), entry.bytes)
            length = 8 + int.from_bytes(tail[-8:-4], "little")
            if length <= len(tail) or wanted >= entry.bytes:
                break
            wanted = min(length, entry.bytes)
        try:
            fault = footer_fault(BytesIO(tail), entry)
        except OSError as error:
            fault = first_line(error)
        if fault:
            raise damaged_file(self.lake.store, folder, entry.name, fault)
        return tail

    def _entry(self, path: str) -> FileEntry:
        return self.entries[self._strip_protocol(path)]


class RemoteFile(RawIOBase):
    """One file, as DuckDB reads it."""

    def __init__(self, files: RemoteFiles, path: str, size: int) -> None:
        self.files, self.path, self.size, self.at = files, path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        self.at = offset + (0 if whence == SEEK_SET else self.at if whence == SEEK_CUR else self.size)
        return self.at

    def read(self, size: int = -1) -> bytes:
        stop = self.size if size < 0 else min(self.at + size, self.size)
        data = self.files.range(self.path, self.at, stop) if stop > self.at else b""
        self.at += len(data)
        return data
