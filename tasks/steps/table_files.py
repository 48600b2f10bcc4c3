"""A user's table, Parquet or CSV: read in pieces of a fixed number of rows, written piece by piece, never whole."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from vocabsem.errors import DataError

FORMS = (".parquet", ".csv")
BLOCK = 2 << 20  # bytes of CSV read at a time, of which Arrow holds some forty; no row may be longer


def form_of(path: Path) -> str:
    """`.parquet` or `.csv`; raises DataError for another suffix."""
    if path.suffix.lower() not in FORMS:
        raise DataError(f"{path} is neither {' nor '.join(FORMS)} by its name: rename or convert it")
    return path.suffix.lower()


def schema_of(path: Path) -> pa.Schema:
    """Columns of the file; those of CSV are text. Raises DataError: no such file, unreadable, a column named twice."""
    if not path.is_file():
        raise DataError(f"{path} does not exist or is no file: give a {' or '.join(FORMS)} file")
    with _translate_errors(path):
        schema = pq.read_schema(path) if form_of(path) == ".parquet" else _csv_schema(path)
    if twice := [name for name in schema.names if schema.names.count(name) > 1]:
        raise DataError(f"{path} has two columns named {twice[0]!r}: rename one")
    return schema.remove_metadata()


def pieces(path: Path, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The file's rows (its `columns`) in their order, `rows` a table, fewer in the last. Raises DataError."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in _batches(path, rows, columns):
        while len(batch):
            taken = batch.slice(0, rows - count)
            held.append(taken)
            count += len(taken)
            batch = batch.slice(len(taken))
            if count == rows:
                yield pa.Table.from_batches(held)
                held, count = [], 0
    if held:
        yield pa.Table.from_batches(held)


@contextmanager
def writing(path: Path | BinaryIO, form: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yields what appends a table to a new file at `path`. Raises DataError where the form cannot hold the schema."""
    try:
        with pq.ParquetWriter(path, schema) if form == ".parquet" else pc.CSVWriter(path, schema) as writer:
            yield writer.write_table
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{form} cannot hold these columns ({_reason(error)}): write .parquet") from error


def _csv_schema(path: Path) -> pa.Schema:
    with pc.open_csv(path, *_csv_options()) as reader:
        return pa.schema([(name, pa.string()) for name in reader.schema.names])


def _batches(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    with _translate_errors(path):
        if form_of(path) == ".parquet":
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):  # over all at once it keeps the bytes it has read
                    yield from file.iter_batches(rows, row_groups=[group], columns=columns)
            return
        as_text = pc.ConvertOptions(
            column_types=_csv_schema(path),
            include_columns=columns,
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        )
        with closing(pc.open_csv(path, *_csv_options(), as_text)) as reader:
            yield from reader


def _csv_options() -> tuple[pc.ReadOptions, pc.ParseOptions]:
    return pc.ReadOptions(block_size=BLOCK), pc.ParseOptions(newlines_in_values=True)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"cannot read {path} as {form_of(path)} ({_reason(error)}): fix or convert it") from error


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
