"""The files behind a query, brought from the bucket of a home before DuckDB reads them.

A catalog in a bucket has no paths of a machine: its views over files are empty. A query that names one of them brings
the files, and a view that reads them takes its place in this machine's copy of the catalog.
"""

import re
import sys
from concurrent.futures import ThreadPoolExecutor

import duckdb

from warehouse.catalog import sandbox
from warehouse.catalog.statements import statement
from warehouse.errors import QueryRefused
from warehouse.home import Home
from warehouse.lake.partition import Lake

PARALLEL = 8  # files fetched at a time
OF_KIND = {"layer_states": "states"}  # views over files whose names are not those of a kind


def bring(home: Home, connection: duckdb.DuckDBPyConnection, sql: str | None) -> set[str]:
    """Bring the files behind the views and macros that `sql` names, without it those of all.

    Returns the kinds of partitions whose views are still empty. Raises CorruptPartition for a file that is not as it
    was published, QueryRefused for SQL that does not parse.
    """
    paths: dict[str, list[str]] = {}
    for kind, path, *_ in connection.execute(statement("parts")).fetchall():
        paths.setdefault(kind, []).append(path)
    named = None if sql is None else _named(connection, sql)
    kinds = {kind for kind in paths if named is None or named & {kind, *(v for v, k in OF_KIND.items() if k == kind)}}
    _fetch(Lake(home), [path for kind in sorted(kinds) for path in paths[kind]])
    return kinds - {kind for (kind,) in connection.execute(statement("filled_views")).fetchall()}


def _fetch(lake: Lake, paths: list[str]) -> None:
    root, wanted = lake.home.lake, []
    with lake.store.snapshot(root):
        for path in (root / path for path in paths if not (root / path).exists()):
            manifest = lake.manifest_in(path.parent)
            if entry := manifest and manifest.file(path.name):
                wanted.append((path.parent, entry))
    if wanted:
        size = sum(entry.bytes for _, entry in wanted) / 1e6
        sys.stderr.write(f"fetching {len(wanted)} files, {size:,.1f} MB, from {lake.home}\n")
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda each: lake.store.fetch(*each), wanted))


def _named(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """Return the tables, views and macros that `sql` names, and those that these name."""
    definitions: dict[str, list[str]] = {}
    for name, definition in connection.execute(statement("definitions")).fetchall():
        definitions.setdefault(name, []).append(definition)
    waiting, seen = sandbox.names(connection, sql), set[str]()
    while waiting:
        seen |= waiting
        texts = [text for name in sorted(waiting & definitions.keys()) for text in definitions[name]]
        waiting = set().union(*(_names(connection, text) for text in texts)) - seen
    return seen


def _names(connection: duckdb.DuckDBPyConnection, definition: str) -> set[str]:
    try:
        return sandbox.names(connection, definition)
    except QueryRefused:
        return set(re.findall(r"\w+", definition.lower()))
