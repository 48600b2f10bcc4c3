"""Tables for people (aligned text), for spreadsheets (CSV), for scripts (JSON) and for the next tool (Parquet)."""

import codecs
import json
import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import QueryRefused
from warehouse.printable import printable

WIDTH = 64  # characters of one cell of a text table: a key is whole
ROWS = 10_000  # of a text table
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula begins with in a spreadsheet
PLAN = ["explain_key", "explain_value"]  # the columns of EXPLAIN
ITEMS = 4  # items of a list in one cell


def write_table(table: pa.Table, form: str, out: BinaryIO) -> None:
    """Write `table` to `out` as `table`, `csv`, `excel` (CSV for spreadsheets), `json` (a list of rows) or `parquet`.

    Raises QueryRefused for another form, and for a column that the form cannot hold.
    """
    if form not in FORMS:
        raise QueryRefused(f"{form!r} is no format: choose one of {', '.join(FORMS)}")
    try:
        FORMS[form](table, out)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise QueryRefused(
            f"{form} cannot hold this answer ({error}): choose other columns or another format"
        ) from None


def _text(table: pa.Table, out: BinaryIO) -> None:
    """Aligned text of any width: rich and pandas cut or fold columns to the terminal, also in a pipe."""
    if table.column_names == PLAN:
        out.write("".join(printable(str(value), keep="\n") for value in table[PLAN[1]].to_pylist()).encode())
        return
    columns = [[_cell(value) for value in column.to_pylist()] for column in table[:ROWS].columns]
    numeric = [
        pa.types.is_integer(f.type) or pa.types.is_floating(f.type) or pa.types.is_decimal(f.type) for f in table.schema
    ]
    names = [_cell(name) for name in table.column_names]
    widths = [max(map(len, [name, *cells])) for name, cells in zip(names, columns, strict=True)]

    def line(cells: tuple[str, ...] | list[str]) -> str:
        aligned = (c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True))
        return "  ".join(aligned).rstrip() + "\n"

    out.write(line(names).encode())
    out.write(line(["─" * width for width in widths]).encode())
    for row in zip(*columns, strict=True):
        out.write(line(row).encode())
    if (more := len(table) - ROWS) > 0:
        out.write(f"… {more:,} more rows: use --format csv, json or parquet\n".encode())


def _csv(table: pa.Table, out: BinaryIO) -> None:
    from pyarrow import csv

    csv.write_csv(_flat(table), out)


def _excel(table: pa.Table, out: BinaryIO) -> None:
    """CSV as spreadsheets read it: UTF-8 with its mark, and no text that they would take for a formula."""
    flat = _flat(table)
    for index, field in enumerate(flat.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            texts = [None if v is None else f"'{v}" if v[:1] in FORMULA else v for v in flat[index].to_pylist()]
            flat = flat.set_column(index, field.name, pa.array(texts, pa.string()))
    out.write(codecs.BOM_UTF8)
    _csv(flat, out)


def _json(table: pa.Table, out: BinaryIO) -> None:
    names = table.column_names
    if len(set(names)) < len(names):
        raise pa.ArrowInvalid(f"two columns share a name in {names}")
    separator = b"[\n"
    for batch in table.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            out.write(separator + json.dumps(plain_value(row), ensure_ascii=False, allow_nan=False).encode("utf-8"))
            separator = b",\n"
    out.write(b"\n]\n" if separator == b",\n" else b"[]\n")


def _parquet(table: pa.Table, out: BinaryIO) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    out.write(sink.getvalue())


FORMS: dict[str, Callable[[pa.Table, BinaryIO], None]] = {
    "table": _text,
    "csv": _csv,
    "excel": _excel,
    "json": _json,
    "parquet": _parquet,
}


def _flat(table: pa.Table) -> pa.Table:
    """`table` with lists, maps and structs as JSON text, which CSV can hold."""
    for index, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [
                None if v is None else json.dumps(plain_value(v), ensure_ascii=False) for v in table[index].to_pylist()
            ]
            table = table.set_column(index, field.name, pa.array(texts, pa.string()))
    return table


def plain_value(value: Any) -> Any:
    """`value` in JSON's types: dates as ISO 8601, what is not finite as null, bytes as hexadecimal digits."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case dict():
            return {str(name): plain_value(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain_value(inner) for inner in value]
        case None | bool() | int() | str():
            return value
    return str(value)


def _cell(value: Any) -> str:
    """One line of at most WIDTH characters, harmless to a terminal."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        shown = ", ".join(_cell(inner) for inner in value[:ITEMS])
        return f"[{shown}, … {len(value)}]" if len(value) > ITEMS else f"[{shown}]"
    text = printable(str(value)[: WIDTH + 1])
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
