"""Tables in files: CSV, TSV, JSON, JSON lines, Parquet, Arrow; the text ones also as .gz, .bz2 or .zst.

Rows come in batches, so that memory does not grow with the file. What text files hold stays text: nothing is guessed.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabsem.cards.reader_options import Format, ReaderOptions
from vocabsem.errors import DataError
from vocabsem.sources.arrow_rows import arrow_batches, arrow_schema
from vocabsem.sources.csv_rows import csv_header, csv_rows
from vocabsem.sources.json_rows import json_rows
from vocabsem.sources.local import require_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "SEPARATORS",
    "SUFFIXES",
    "arrow_schema",
    "column_names",
    "format_of",
    "read_batches",
    "schema_of",
    "strings",
]

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
COMPRESSED = (".gz", ".bz2", ".zst")
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
SEPARATORS = {"csv": ",;\t|", "tsv": "\t,;|"}
BATCH = 1024  # rows
LONGEST = 16 << 20  # characters of a line or a text
DEFAULTS = ReaderOptions()


def format_of(path: Path) -> Format:
    """Return the format that a file's name gives.

    Parameters
    ----------
    path : Path
        Such as `reviews.csv.gz`.

    Returns
    -------
    str

    Raises
    ------
    DataError
        For another ending.
    """
    bare = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    if (form := SUFFIXES.get(bare.suffix.lower())) is None or (bare != path and form in ("parquet", "arrow")):
        raise DataError(
            f"{path} ends in {path.suffix!r}: name it by what it is, one of {', '.join(SUFFIXES)}; the text ones also"
            f" with {', '.join(COMPRESSED)}"
        )
    return form


def column_names(path: Path, form: Format, options: ReaderOptions = DEFAULTS, wanted: Iterable[str] = ()) -> list[str]:
    """Return the names of a file's columns; of JSON, those of its first objects.

    Parameters
    ----------
    path : Path
        The file.
    form : str
        Its format.
    options : ReaderOptions
        How it is read.
    wanted : iterable of str
        Columns by which the separator of CSV is recognized.

    Returns
    -------
    list of str

    Raises
    ------
    DataError
        For a file that cannot be read, or has two columns of one name.
    """
    with _translated(path, form):
        if form in ("parquet", "arrow"):
            return list(arrow_schema(path, form).names)
        with _text(path, options) as file:
            if form in SEPARATORS:
                return csv_header(file, SEPARATORS[form], options, wanted, LONGEST)
            return list(dict.fromkeys(name for row in islice(json_rows(file, LONGEST), BATCH) for name in row))


def schema_of(path: Path, form: Format, options: ReaderOptions = DEFAULTS, wanted: Iterable[str] = ()) -> "pa.Schema":
    """Return all columns with their types: text formats have text alone. JSON is read whole, a row at a time.

    Parameters
    ----------
    path, form, options, wanted
        As in `column_names`.

    Returns
    -------
    pyarrow.Schema

    Raises
    ------
    DataError
        As `column_names` does.
    """
    import pyarrow as pa

    if form in ("parquet", "arrow"):
        with _translated(path, form):
            return arrow_schema(path, form).remove_metadata()
    names = column_names(path, form, options, wanted)
    if form in ("json", "jsonl"):
        with _translated(path, form), _text(path, options) as file:
            names = list(dict.fromkeys(chain(names, (name for row in json_rows(file, LONGEST) for name in row))))
    return pa.schema([(name, pa.string()) for name in names])


def read_batches(
    path: Path, form: Format, columns: Sequence[str], options: ReaderOptions = DEFAULTS, *, nested: Collection[str] = ()
) -> Iterator["pa.RecordBatch"]:
    """Yield the rows in their order. Columns of text formats are strings.

    Parameters
    ----------
    path, form
        As in `column_names`.
    columns : sequence of str
        Those to read.
    options
        As in `column_names`.
    nested : collection of str
        Columns whose lists and objects of JSON are given as JSON; in others they are an error.

    Yields
    ------
    pyarrow.RecordBatch

    Raises
    ------
    DataError
        For a file that cannot be read to its end, with the line; or without one of the columns.
    """
    import pyarrow as pa

    with _translated(path, form):
        if form in ("parquet", "arrow"):
            yield from arrow_batches(path, form, list(columns), BATCH)
            return
        with _text(path, options) as file:
            rows: Iterator[list[str | None]] | Iterator[list[str]] = _objects(file, columns, nested)
            if form in SEPARATORS:
                rows = csv_rows(file, SEPARATORS[form], options, columns, LONGEST)
            schema = pa.schema([(name, pa.string()) for name in columns])
            while batch := list(islice(rows, BATCH)):
                yield pa.record_batch([pa.array(values, pa.string()) for values in zip(*batch, strict=True)], schema)


def strings(column: "pa.Array", path: Path, name: str) -> list[str]:
    """Return the values of a column as text, missing ones as empty text.

    Parameters
    ----------
    column : pyarrow.Array
        Text of any kind, numbers, dates.
    path, name
        Named in errors.

    Returns
    -------
    list of str

    Raises
    ------
    DataError
        For lists and structures.
    """

    def text(value: Any) -> str:
        if value is None or value != value:  # NaN
            return ""
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, list | dict | tuple):
            raise DataError(f"column {name!r} of {path} holds {str(value)[:60]!r}, no text: write it out as text")
        return str(value)

    try:
        return [value if type(value) is str else text(value) for value in column.to_pylist()]
    except UnicodeDecodeError:
        raise DataError(f"column {name!r} of {path} holds bytes that are not UTF-8 text: decode them first") from None


@contextmanager
def _translated(path: Path, form: Format) -> Iterator[None]:
    import pyarrow as pa

    require_file(path)
    if not path.stat().st_size:
        raise DataError(f"cannot read {path}: it is empty")
    try:
        yield
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(
            f"cannot read {path} as {form}: it is not {error.encoding} text ({error.reason}): save it as UTF-8, or"
            " name its encoding by --encoding or, in a card, by options: {encoding: …}"
        ) from None
    except (pa.ArrowException, OSError, ValueError, KeyError, RecursionError) as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise DataError(f"cannot read {path} as {form}: {reason}") from error


@contextmanager
def _text(path: Path, options: ReaderOptions) -> Iterator[TextIOWrapper]:
    import pyarrow as pa

    with path.open("rb") as file:
        head = file.read(4)
    kind = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
    encoding = "utf-8-sig" if options.encoding.lower() in ("utf-8", "utf8") else options.encoding
    raw = pa.input_stream(str(path), compression=kind, buffer_size=1 << 20)
    with TextIOWrapper(raw, encoding, options.encoding_errors, newline="") as text:
        yield text


def _objects(file: TextIOWrapper, columns: Sequence[str], nested: Collection[str]) -> Iterator[list[str | None]]:
    def text(name: str, value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, list | dict):
            return str(value)
        if name not in nested:
            raise ValueError(
                f"column {name!r} holds {str(value)[:60]!r}, no text: write it out as text, or name a path"
                " to a text in it, as in gold.0"
            )
        return json.dumps(value, ensure_ascii=False)

    for row in json_rows(file, LONGEST):
        yield [text(name, row.get(name)) for name in columns]
