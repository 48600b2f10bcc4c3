"""The files behind a query, brought from the bucket of a home before DuckDB reads them.

A catalog in a bucket has no paths of a machine: its views over files are empty. A query that names one of them brings
the files but those that are read in place, and a view that reads them takes its place in this machine's copy of the
catalog.

"""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import duckdb

from warehouse.catalog import sandbox
from warehouse.catalog.ranged import address, filled
from warehouse.catalog.statements import statement
from warehouse.errors import QueryRefused
from warehouse.home import Home
from warehouse.lake.partition import Lake

if TYPE_CHECKING:
    from warehouse.catalog.remote import RemoteFiles

PARALLEL = 8  # files fetched at a time
OF_KIND = {"layer_states": "states"}  # views over files whose names are not those of a kind


def remote_files(home: Home, connection: duckdb.DuckDBPyConnection) -> "RemoteFiles":
    """Let a connection read in place what of its catalog is read so."""
    from warehouse.catalog.remote import RemoteFiles  # fsspec takes 0.1 s, for homes in buckets only

    return RemoteFiles(home, connection)


def bring(home: Home, connection: duckdb.DuckDBPyConnection, sql: str | None) -> dict[str, bool]:
    """Bring the files behind the views and macros that `sql` names, but those that are read in place; without it those
    of all.

    Returns the kinds of partitions whose views do not read their files yet, each with whether they are to be read in
    place. Raises CorruptPartition for a file that is not as it was published, QueryRefused for SQL that does not parse.
    """
    named = None if sql is None else _named(connection, sql)
    kinds: dict[str, bool] = {}
    fetched = []
    for kind, path, _, _, _, size, *_ in connection.execute(statement("parts")).fetchall():
        if named is None or named & {kind, *(view for view, of in OF_KIND.items() if of == kind)}:
            ranged = named is not None and address(path, kind, size) is not None
            kinds[kind] = kinds.get(kind, False) or ranged
            fetched += [] if ranged else [path]
    _fetch(Lake(home), fetched)
    reading = filled(connection)
    return {kind: ranged for kind, ranged in kinds.items() if reading.get(kind) != ranged}


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
