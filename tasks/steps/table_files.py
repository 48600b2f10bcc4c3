"""A user's table: read in pieces of a fixed number of rows, written piece by piece as Parquet or CSV, never whole."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from vocabsem.cards.reader_options import ReaderOptions
from vocabsem.errors import DataError
from vocabsem.sources.tables import format_of, read_batches

FORMS = (".parquet", ".csv")
PLAIN = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}  # what all writers can write


def table_format(path: Path) -> str:
    """The output's form, `.parquet` or `.csv`; raises DataError for another suffix."""
    if path.suffix.lower() not in FORMS:
        raise DataError(f"{path} is neither {' nor '.join(FORMS)} by its name: rename or convert it")
    return path.suffix.lower()


def pieces(
    path: Path, rows: int, columns: Sequence[str], options: ReaderOptions, *, nested: bool = False
) -> Iterator[pa.Table]:
    """Yield some columns in tables of `rows` rows, fewer in the last. Raises DataError.

    nested: whether lists and objects of JSON are given as JSON.
    """
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in read_batches(path, format_of(path), columns, options, nested=columns if nested else ()):
        while len(batch):
            taken = batch.slice(0, rows - count)
            held.append(taken)
            count += len(taken)
            batch = batch.slice(len(taken))
            if count == rows:
                yield _plain(held)
                held, count = [], 0
    if held:
        yield _plain(held)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The columns as `pieces` gives them: no views and no dictionaries."""
    types = (t.value_type if pa.types.is_dictionary(t) else PLAIN.get(t, t) for t in schema.types)
    return pa.schema(list(zip(schema.names, types, strict=True)))


def _plain(batches: list[pa.RecordBatch]) -> pa.Table:
    table = pa.Table.from_batches(batches)
    return table.cast(plain_schema(table.schema))


@contextmanager
def writing(path: Path | BinaryIO, form: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yields what appends a table to a new file at `path`. Raises DataError where the form cannot hold the schema."""
    try:
        with pq.ParquetWriter(path, schema) if form == ".parquet" else pc.CSVWriter(path, schema) as writer:
            yield writer.write_table
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise DataError(f"{form} cannot hold these columns ({reason}): write .parquet") from error
