"""Columns of Parquet and Arrow files, as they are stored, without reading the others."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabsem.cards.reader_options import Format
from vocabsem.sources.csv_rows import distinct

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_batches", "arrow_schema"]


def arrow_schema(path: Path, form: Format) -> "pa.Schema":
    """Return the columns of a Parquet or Arrow file with their types and metadata.

    Parameters
    ----------
    path, form
        The file.

    Returns
    -------
    pyarrow.Schema

    Raises
    ------
    ValueError
        For two columns of one name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if form == "parquet":
        schema = pq.read_schema(path)
    else:
        with pa.memory_map(str(path)) as source, _ipc(source) as reader:
            schema = reader.schema
    distinct(schema.names)
    return schema


def _ipc(source: Any, columns: Sequence[int] | None = None) -> Any:
    from pyarrow import ipc

    settings = ipc.IpcReadOptions(included_fields=columns)
    magic = source.read(6)
    source.seek(0)
    return (ipc.open_file if magic == b"ARROW1" else ipc.open_stream)(source, options=settings)


def arrow_batches(path: Path, form: Format, columns: list[str], rows: int) -> Iterator["pa.RecordBatch"]:
    """Yield the rows of some columns, as they are stored.

    Parameters
    ----------
    path, form
        The file.
    columns : list of str
        Which ones.
    rows : int
        Most rows of a batch of Parquet; Arrow files have their own.

    Yields
    ------
    pyarrow.RecordBatch
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if form == "parquet":
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):  # over all at once it keeps the bytes it has read
                for batch in file.iter_batches(rows, row_groups=[group], columns=columns):
                    yield batch.select(columns)
        return
    numbers = [arrow_schema(path, form).names.index(name) for name in columns]
    with pa.memory_map(str(path)) as source, _ipc(source, numbers) as reader:
        batches = map(reader.get_batch, range(reader.num_record_batches)) if hasattr(reader, "get_batch") else reader
        for batch in batches:
            batch.validate(full=True)
            yield batch.select(columns)
