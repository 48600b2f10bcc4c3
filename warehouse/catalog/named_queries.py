"""The named queries: questions in `queries/*.sql`, each with its parameters in its own comments.

The first comment line is the question; `-- $name = default: what it is` declares a parameter, in YAML's spelling.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import yaml

from warehouse.catalog.catalog import connect, query
from warehouse.catalog.statements import statement
from warehouse.errors import QueryRefused
from warehouse.home import Home

QUERIES = Path(__file__).parent / "queries"
_PARAMETER = re.compile(r"-- \$(?P<name>\w+) = (?P<default>.+?): (?P<what>.+)")


@dataclass(frozen=True)
class Parameter:
    name: str
    default: str | int | None
    what: str


@dataclass(frozen=True)
class NamedQuery:
    name: str
    question: str
    parameters: dict[str, Parameter]
    sql: str


def named_queries() -> dict[str, NamedQuery]:
    """Return every named query, in alphabetical order."""
    return {path.stem: _read(path) for path in sorted(QUERIES.glob("*.sql"))}


def run_named_query(home: Home, name: str, given: Mapping[str, str], run: Callable[..., pa.Table] = query) -> pa.Table:
    """Return the rows of a named query; `given` values are bound, what is not given has its default.

    run: as `catalog.query`.

    Raises QueryRefused for an unknown query, parameter or value, with the nearest known one, and what
    `catalog.query` raises.
    """
    known = named_queries()
    if name not in known:
        raise QueryRefused(f"there is no named query {name!r}: {_nearest(name, list(known))}")
    named = known[name]
    values = {parameter.name: parameter.default for parameter in named.parameters.values()}
    for key, text in given.items():
        if key not in values:
            raise QueryRefused(f"query {name!r} has no parameter {key!r}: {_nearest(key, list(values))}")
        values[key] = _number(name, key, text) if isinstance(values[key], int) else text
    rows = run(home, named.sql, values)
    if not len(rows):
        _check_known(home, name, {key: value for key, value in values.items() if isinstance(value, str)})
    return rows


def _read(path: Path) -> NamedQuery:
    sql = path.read_text(encoding="utf-8")
    matches = (_PARAMETER.fullmatch(line) for line in sql.splitlines())
    parameters = [Parameter(m["name"], yaml.safe_load(m["default"]), m["what"]) for m in matches if m]
    return NamedQuery(path.stem, sql.splitlines()[0].removeprefix("-- "), {p.name: p for p in parameters}, sql)


def _number(name: str, key: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value):
        raise QueryRefused(f"parameter {key!r} of query {name!r} is {value!r}: give a whole number, as in {key}=10")
    return int(value)


def _check_known(home: Home, name: str, values: Mapping[str, str]) -> None:
    """Raise QueryRefused, with the nearest known value, if the warehouse has no such value at all."""
    known_by = statement("known")
    with closing(connect(home, sql=known_by)) as connection:
        for key, value in values.items():
            known = [each for (each,) in connection.execute(known_by, {"parameter": key, "given": value}).fetchall()]
            if known and known[0] != value:
                raise QueryRefused(
                    f"nothing matches {key} = {value!r} in query {name!r}: {_nearest(value, known, repr)}"
                )


def _nearest(name: str, known: list[str], written: Callable[[str], str] = str) -> str:
    """Return the known names, all of them; values are `written` in quotes, for a space may begin them."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known are {', '.join(map(written, known)) or 'none'}"
