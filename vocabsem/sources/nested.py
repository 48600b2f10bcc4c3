"""Values inside nested columns, by paths such as `question.choices.text` and `gold.0`."""

import json
from collections.abc import Collection, Iterable
from typing import Any

from vocabsem.errors import DataError

__all__ = ["column_of_path", "texts_at"]


def column_of_path(name: str, known: Collection[str]) -> tuple[str, list[str]]:
    """Return the column that a name means, and the keys below it.

    Parameters
    ----------
    name : str
        A column, or a path into one.
    known : collection of str
        The columns there are.

    Returns
    -------
    column : str
    keys : list of str
        None where a column has that very name.

    Examples
    --------
    >>> column_of_path("question.stem", ["question"]), column_of_path("a.b", ["a", "a.b"])
    (('question', ['stem']), ('a.b', []))
    """
    if name in known:
        return name, []
    column, *keys = name.split(".")
    return column, keys


def texts_at(values: Iterable[Any], keys: list[str], where: str, lists: bool = False) -> list[str]:
    """Return what lies at a path of each value, as text; what is missing is empty.

    Parameters
    ----------
    values : iterable
        Of a nested column: lists and objects, or their JSON.
    keys : list of str
        A key of an object, also of each object of a list; or the place in a list, from 0.
    where : str
        Names the column in messages.
    lists : bool, default=False
        Whether lists are given as JSON.

    Returns
    -------
    list of str

    Raises
    ------
    DataError
        For a list or an object at the path, where none may be.

    Examples
    --------
    >>> texts_at([{"choices": [{"text": "a"}, {"text": "b"}]}], ["choices", "text"], "column", lists=True)
    ['["a", "b"]']
    >>> texts_at(["[2]", None], ["0"], "column")
    ['2', '']
    """
    texts = []
    for value in values:
        inner = value
        if keys and isinstance(inner, str):
            try:
                inner = json.loads(inner)
            except ValueError:
                inner = None
        for key in keys:
            inner = _below(inner, key)
        if isinstance(inner, list | dict):
            if not lists:
                raise DataError(f"column {where} holds {str(inner)[:60]!r}, no text: name a path to one in it")
            texts.append(json.dumps(inner, ensure_ascii=False, default=str))
        else:
            texts.append("" if inner is None or inner != inner else str(inner))  # NaN
    return texts


def _below(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and key.isdigit():
        return value[int(key)] if int(key) < len(value) else None
    if isinstance(value, list):
        inside = [_below(each, key) for each in value]
        return None if all(each is None for each in inside) else inside
    return None
