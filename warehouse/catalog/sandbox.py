"""What a user's SQL may do: read the catalog and the published files, and nothing else.

DuckDB's own settings do most of it: the catalog is attached read-only, no file may be opened but the published ones,
nothing can be attached or installed, and the settings are locked. What they leave open is writing over the very files
that may be read: `COPY … TO` is a statement, but since DuckDB 2.0 also a clause of `SELECT` (`with x as (copy …)`), and
table functions run SQL from strings. So a user's SQL is parsed by DuckDB itself, and only a single statement, made of
nothing but queries and known table functions, is run, or explained.
"""

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from warehouse.catalog.checkable import checkable
from warehouse.catalog.statements import statement
from warehouse.errors import QueryRefused

ALLOWED = (
    "a single SELECT (or FROM, WITH, VALUES, PIVOT, UNPIVOT, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN) over the warehouse's"
    " tables, views and macros"
)

_QUERIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_TABLE_FUNCTIONS = {
    *("range", "generate_series", "unnest", "nearest_tokens", "nearest_examples", "best_fits", "wins"),
    *("duckdb_tables", "duckdb_views", "duckdb_columns", "duckdb_functions"),
}


def confine(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """Restrict `connection` permanently to the files in `paths`."""
    connection.execute(statement("allow"), {"paths": paths})
    connection.execute(statement("confine"))


def check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise QueryRefused unless `sql` is one statement that only reads."""
    tree = _parse(connection, sql)
    if len(tree) != 1:
        raise QueryRefused(f"{len(tree)} statements were given: give {ALLOWED}")
    for node in _nodes(tree):
        kind = node.get("type", "")
        if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _QUERIES:
            raise QueryRefused(f"the query would write ({kind.removesuffix('_QUERY_NODE')}): give {ALLOWED}")
        if kind == "TABLE_FUNCTION" and (name := _function(node)) not in _TABLE_FUNCTIONS:
            raise QueryRefused(f"the function {name!r} may not be used here: give {ALLOWED}")


def names(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """Return the tables, views, macros and functions that `sql` names, in lower case. Raises QueryRefused."""
    listed = (node.get(key, "") for node in _nodes(_parse(connection, sql)) for key in ("table_name", "function_name"))
    return {name.lower() for name in listed if isinstance(name, str) and name}


def _parse(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    try:
        [(text,)] = connection.execute(statement("parse"), {"sql": checkable(sql)}).fetchall()
        answer = json.loads(text)
    except (duckdb.Error, RecursionError, UnicodeError) as error:
        raise QueryRefused(f"the query cannot be read ({error}): give {ALLOWED}") from None
    if answer.get("error"):
        if answer["error_type"] == "parser":
            raise QueryRefused(f"the query does not parse: {answer['error_message']}")
        raise QueryRefused(f"the query is no SELECT: give {ALLOWED}")
    statements: list[Any] = answer["statements"]
    return statements


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the JSON, whatever its depth."""
    waiting = [tree]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            yield at
            waiting += at.values()
        elif isinstance(at, list):
            waiting += at


def _function(node: dict[str, Any]) -> str:
    return str(node.get("function", {}).get("function_name", "")).lower()
