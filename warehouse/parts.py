"""One file of a partition: a table encoded, a file compared with its entry, a file read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import CorruptPartition
from warehouse.manifest import FileEntry
from warehouse.vectors import writer_options


def encode(table: pa.Table) -> pa.Buffer:
    """`table` as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **writer_options(table.schema))
    return sink.getvalue()


def counts(rows: int) -> Callable[[BinaryIO], None]:
    """The test of a Parquet file reopened after writing: its footer counts `rows`."""

    def footer_agrees(file: BinaryIO) -> None:
        found = pq.read_metadata(file).num_rows
        if found != rows:
            raise CorruptPartition(f"wrote {rows} rows, read back {found}: the disk or its driver is failing")

    return footer_agrees


def fault(folder: Path, entry: FileEntry) -> str | None:
    """What distinguishes a file from its entry at a glance: its size and, in Parquet, its footer's rows.

    None if nothing does. A flipped byte is found by `read`, by the page's checksum, and by comparing the sha256.
    """
    path = folder / entry.name
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            return f"it has {size} bytes, not {entry.bytes}"
        if entry.rows is not None and (rows := pq.read_metadata(path).num_rows) != entry.rows:
            return f"it has {rows} rows, not {entry.rows}"
    except FileNotFoundError:
        return "it is missing"
    except (OSError, pa.ArrowException) as error:
        return first_line(error)
    return None


def damaged(path: Path, found: str) -> CorruptPartition:
    """The error that says what is wrong with a published file, and the mend."""
    return CorruptPartition(
        f"{path} is damaged ({found}): remove the folder {path.parent}; the next run computes it again"
    )


def read(path: Path, columns: Sequence[str] | None, filters: Any) -> pa.Table:
    """A Parquet file's own columns, without those its folders' names would add, its pages' checksums compared."""
    return pq.read_table(path, columns=columns, filters=filters, partitioning=None, page_checksum_verification=True)


def first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
