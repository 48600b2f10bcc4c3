"""One file of a partition: a table encoded, a file compared with its entry, a file read."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import CorruptPartition
from warehouse.lake.manifest import FileEntry
from warehouse.lake.vectors import writer_options


def parquet_bytes(table: pa.Table) -> pa.Buffer:
    """Return `table` as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **writer_options(table.schema))
    return sink.getvalue()


def entry_of(name: str, data: Any, rows: int | None) -> FileEntry:
    """Return the entry of a file with the content `data`; `rows` is None for what is no Parquet."""
    digests = [hashlib.sha256(part).hexdigest() for part in (data, b"" if rows is None else footer(BytesIO(data)))]
    return FileEntry(name, rows, len(data), digests[0], None if rows is None else digests[1])


def footer(file: BinaryIO) -> bytes:
    """Return the bytes at a Parquet file's end that describe its other bytes."""
    size = file.seek(-8, SEEK_END)
    length = int.from_bytes(file.read(4), "little")
    if file.read(4) != b"PAR1" or length > size:
        raise OSError("it does not end as Parquet does")
    file.seek(-8 - length, SEEK_END)
    return file.read(length)


def verify_written(entry: FileEntry) -> Callable[[BinaryIO], None]:
    """Return the check of a file reopened after writing: its footer is what was written, and counts the rows."""

    def check(file: BinaryIO) -> None:
        fault = _difference(file, entry)
        if fault is None and entry.rows is not None and (rows := pq.read_metadata(file).num_rows) != entry.rows:
            fault = f"it counts {rows} rows, not {entry.rows}"
        if fault:
            raise CorruptPartition(f"{entry.name} does not read back as it was written ({fault}): the disk is failing")

    return check


def quick_check(folder: Path, entry: FileEntry) -> str | None:
    """Return how a file differs from its entry in size and, in Parquet, in its footer; None if it does not.

    A flipped byte in the rows is detected by `read`, by the page's checksum, and by `mismatch`.
    """
    try:
        with (folder / entry.name).open("rb") as file:
            return _difference(file, entry)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return first_line(error)


def mismatch(folder: Path, entry: FileEntry) -> str | None:
    """Return how a file differs from its entry in any byte; None if it does not. Reads all of it."""
    return quick_check(folder, entry) or other_bytes(folder / entry.name, entry.sha256)


def other_bytes(path: Path, sha256: str) -> str | None:
    """Return how a file differs from what has this checksum; None if it does not. Reads all of it."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return first_line(error)
    return None if digest == sha256 else f"its sha256 is {digest}, not {sha256}"


def check_entry(folder: Path, entry: FileEntry) -> None:
    """Raise CorruptPartition where `quick_check` returns a fault."""
    if fault := quick_check(folder, entry):
        raise damaged(folder / entry.name, fault)


def damaged(path: Path, fault: str) -> CorruptPartition:
    """Return the error that names what is wrong with a published file, and the fix."""
    return CorruptPartition(
        f"{path} is damaged ({fault}): remove the folder {path.parent}; the next run computes it again"
    )


def read(path: Path, columns: Sequence[str] | None, filters: Any) -> pa.Table:
    """Return a Parquet file's own columns, without those of its folders' names, its pages' checksums compared."""
    return pq.read_table(path, columns=columns, filters=filters, partitioning=None, page_checksum_verification=True)


def read_range(path: Path, columns: Sequence[str] | None, start: int, stop: int) -> pa.Table:
    """Return the rows `start` to `stop` of a Parquet file, from those of its row groups that hold any of them."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        groups, skipped, before = [], 0, 0
        for number in range(file.num_row_groups):
            size = file.metadata.row_group(number).num_rows
            if before < stop and start < before + size:
                groups.append(number)
            elif not groups:
                skipped += size
            before += size
        return file.read_row_groups(groups, columns).slice(max(start - skipped, 0), max(stop - start, 0))


def file_batches(path: Path, columns: Sequence[str] | None, size: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file, at most `size` at a time, its pages' checksums compared."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        yield from file.iter_batches(size, columns=columns)


def _difference(file: BinaryIO, entry: FileEntry) -> str | None:
    size = os.fstat(file.fileno()).st_size
    if size != entry.bytes:
        return f"it has {size} bytes, not {entry.bytes}"
    return footer_fault(file, entry)


def footer_fault(file: BinaryIO, entry: FileEntry) -> str | None:
    """Return how a file's end differs from its entry; None if it does not. Raises OSError where it is no Parquet's."""
    if entry.footer is not None and hashlib.sha256(footer(file)).hexdigest() != entry.footer:
        return "its footer is another"
    return None


def first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
