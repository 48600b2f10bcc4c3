"""Write rows where the user wants them: to standard output, or to a file in the format of its name."""

import sys
from pathlib import Path

import pyarrow as pa

from flows.reporting.templating import writable
from vocabsem.errors import BadInput
from warehouse.catalog.export import write_table
from warehouse.lake.atomic import replaced

BY_SUFFIX = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".txt": "table"}


def output_format(form: str | None, output: Path | None) -> str:
    """Return the format to write: as given, or by the name of the file. Raises BadInput where neither says it."""
    if output is None or form is not None:
        return form or "table"
    if output.suffix not in BY_SUFFIX:
        known = ", ".join(BY_SUFFIX)
        fix = (
            "for a spreadsheet, --format excel with a .csv"
            if output.suffix in {".xlsx", ".xls"}
            else "or give --format"
        )
        raise BadInput(
            f"--output {output}: no format is known by {output.suffix or 'no'} suffix: give one of {known}; {fix}"
        )
    return BY_SUFFIX[output.suffix]


def write_rows(table: pa.Table, form: str | None, output: Path | None) -> None:
    """Write a table to standard output, or whole to a file whose path is then printed.

    form: a key of `warehouse.catalog.export.FORMS`; None is that of the file's name. Raises BadInput and QueryRefused.
    """
    chosen = output_format(form, output)
    if output is None:
        write_table(table, chosen, sys.stdout.buffer)
        return
    with writable(output), replaced(output) as temporary, temporary.open("wb") as file:
        write_table(table, chosen, file)
    print(output)  # noqa: T201
