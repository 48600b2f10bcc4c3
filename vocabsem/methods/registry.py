"""What a card may set of each method; for those over states, what their sources declare, read without running them.

Cards are checked and plans are made with this alone: to import the methods takes torch, scikit-learn and SciPy, which
are seconds that a run with nothing to do would only wait for.
"""

import ast
import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from vocabsem.cards.schema import Card
from vocabsem.errors import CardError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Declared:
    """Attributes of a method's class, which `methods.base.Method` explains, and its parameters with their defaults."""

    name: str
    revision: int
    needs_labels: bool
    works_without_labels: bool
    trains: bool
    temperature_folds: int
    fixed_width: bool
    background: str
    choices: Mapping[str, tuple[str, ...]]
    params: Mapping[str, Any]


@cache
def declared() -> Mapping[str, Declared]:
    """Every class below `Method` that has a name, by that name."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.py"))]
    classes = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    found = {}
    for kind in classes.values():
        said: dict[str, Any] = {}
        for ancestor in reversed(list(_lineage(kind, classes))):
            said |= _says(ancestor)
        if "needs_labels" in said and "name" in said:
            found[said["name"]] = Declared(**{field.name: said[field.name] for field in fields(Declared)})
    return found


def check_params(name: str, params: Mapping[str, Any]) -> None:
    """Raises CardError on an unknown method, parameter or value, with the nearest known name."""
    if name not in declared():
        raise CardError(f"unknown method {name!r}{_nearest(name, declared())}")
    method = declared()[name]
    for key, value in params.items():
        if key not in method.params:
            raise CardError(f"unknown parameter {key!r} of method {name}{_nearest(key, method.params)}")
        expected = type(method.params[key])
        if type(value) is not expected and not (expected is float and type(value) is int):
            raise CardError(f"parameter {key} of method {name} is {value!r}: expected {expected.__name__}")
        if expected in (int, float) and not 0 <= value < math.inf:
            raise CardError(f"parameter {key} of method {name} is {value!r}: give a finite number, 0 or more")
        if key in method.choices and value not in method.choices[key]:
            raise CardError(f"parameter {key} of method {name} is {value!r}: choose {', '.join(method.choices[key])}")


def _lineage(kind: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """The class and those that it inherits from, as far as they are methods."""
    yield kind
    for base in kind.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _lineage(classes[base.id], classes)


def _says(kind: ast.ClassDef) -> dict[str, Any]:
    """The class's attributes that are plain values, and `params` from its constructor."""
    said: dict[str, Any] = {}
    for node in kind.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            try:
                said[ast.unparse(target)] = ast.literal_eval(node.value)
            except ValueError:
                continue  # no plain value
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            options = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            said["params"] = {o.arg: ast.literal_eval(d) for o, d in options if d is not None and o.arg != "seed"}
    return said


def _nearest(given: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f": did you mean {close[0]!r}?" if close else f": choose one of {', '.join(known) or 'none (it takes none)'}"


class Schedule(Card):
    """What an experiment card may set of fine-tuning by adapters."""

    steps: PositiveInt = 200
    """Steps of training at most; the learning rate would be zero after the last."""
    stops: PositiveInt = 5
    """Places, even over the steps, where training may end."""
    learning_rates: list[PositiveFloat] = Field(default=[])
    """Of which one is chosen; none given: the three that suit the kind."""

    @classmethod
    def of(cls, kind: str, params: Mapping[str, Any]) -> "Schedule":
        """Raises CardError with every unknown parameter or wrong value."""
        try:
            return cls.model_validate(dict(params))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
            known = ", ".join(cls.model_fields)
            raise CardError(f"parameters of method {kind}: {wrong}: it takes {known}") from None
