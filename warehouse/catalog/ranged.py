"""What of a home in a bucket DuckDB reads where it lies: large files of states, in ranges.

They have a column for each layer, and a query seldom needs more than one of them. The other large tables are read whole
or again and again, and small files in one request: those are fetched, compared with their checksums, and kept.
"""

import duckdb

from warehouse.catalog.statements import statement
from warehouse.lake.bucket import BLOCK

SCHEME = "lake"


def address(path: str, kind: str, size: int) -> str | None:
    """Return the address by which DuckDB reads a file in place, None for one that is fetched whole."""
    return f"{SCHEME}://{path}" if kind == "states" and size > BLOCK else None


def filled(connection: duckdb.DuckDBPyConnection) -> dict[str, bool]:
    """Return the views over files that read some, and whether in place."""
    return dict(connection.execute(statement("filled_views"), {"scheme": f"{SCHEME}://"}).fetchall())
