"""The named analyses: questions in `queries/*.sql`, each with its parameters told in its own comments.

The first comment line is the question; `-- $name = default: what it is` declares a parameter, in YAML's spelling.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import yaml

from warehouse.catalog.catalog import query
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
class Analysis:
    name: str
    question: str
    parameters: dict[str, Parameter]
    sql: str


def analyses() -> dict[str, Analysis]:
    """Every named analysis, in alphabetical order."""
    return {path.stem: _read(path) for path in sorted(QUERIES.glob("*.sql"))}


def ask(home: Home, name: str, given: Mapping[str, str]) -> pa.Table:
    """The answer to a named analysis; `given` values are bound, what is not given has its default.

    Raises QueryRefused for an unknown analysis, parameter or value with the nearest that there is, and what
    `catalog.query` raises.
    """
    known = analyses()
    if name not in known:
        raise QueryRefused(f"there is no analysis {name!r}: {_nearest(name, list(known))}")
    analysis = known[name]
    values = {parameter.name: parameter.default for parameter in analysis.parameters.values()}
    for key, value in given.items():
        if key not in values:
            raise QueryRefused(f"analysis {name!r} has no parameter {key!r}: {_nearest(key, list(values))}")
        values[key] = _number(name, key, value) if isinstance(values[key], int) else value
    answer = query(home, analysis.sql, values)
    if not len(answer):
        for key, asked in values.items():
            if isinstance(asked, str):
                _check_known(home, name, key, asked)
    return answer


def _read(path: Path) -> Analysis:
    sql = path.read_text(encoding="utf-8")
    found = (_PARAMETER.fullmatch(line) for line in sql.splitlines())
    parameters = [Parameter(m["name"], yaml.safe_load(m["default"]), m["what"]) for m in found if m]
    return Analysis(path.stem, sql.splitlines()[0].removeprefix("-- "), {p.name: p for p in parameters}, sql)


def _number(name: str, key: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value):
        raise QueryRefused(f"parameter {key!r} of analysis {name!r} is {value!r}: give a whole number, as in {key}=10")
    return int(value)


def _check_known(home: Home, name: str, key: str, value: str) -> None:
    """Where nothing was found: is the value one that the warehouse has at all?"""
    there = query(home, statement("known"), {"parameter": key, "given": value})["value"].to_pylist()
    if there and there[0] != value:
        raise QueryRefused(f"nothing matches {key} = {value!r} in analysis {name!r}: {_nearest(value, there)}")


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known are {', '.join(map(repr, known)) or 'none'}"
