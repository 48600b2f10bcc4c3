"""The SQL statements of the catalog: one file each, in `sql`."""

from functools import cache
from pathlib import Path

SQL = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> str:
    """Return the text of `sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def quoted(text: str) -> str:
    """Return `text` as an SQL string, for the places that take no bound value."""
    return "'" + text.replace("'", "''") + "'"
