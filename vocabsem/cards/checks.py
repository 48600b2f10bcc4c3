"""What several fields of a card must be together: labels that differ, two numbers in order."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

from vocabsem.cards.base import Label, LocalCopy
from vocabsem.cards.reader_options import Format
from vocabsem.label_kinds import LabelKind

__all__ = ["check_distinct", "check_numbers", "check_weight", "listed", "number"]


def check_numbers(labels: Sequence[Label], local: LocalCopy | None) -> None:
    """Refuse labels of a continuous target that are not two words, each of one number, the lower first.

    Parameters
    ----------
    labels : sequence of Label
        Of the card.
    local : LocalCopy or None
        Where a copy of the user's lies.

    Raises
    ------
    ValueError
        For other labels, and for a copy of the user's, which lists classes.
    """
    values = [number(label.values[0]) if len(label.values) == 1 else None for label in labels]
    numbers = [value for value in values if value is not None]
    if len(labels) != 2 or len(numbers) != 2 or numbers[0] >= numbers[1]:
        raise ValueError(
            "label_kind is 'continuous': give two labels, each with one number as its value, the lower first, such"
            " as {name: low, value: '1', word: terrible} and {name: high, value: '5', word: great}"
        )
    if local is not None:
        raise ValueError("local lists classes: leave it out of a card with label_kind 'continuous'")


def check_weight(form: Format, kind: LabelKind, local: LocalCopy | None) -> None:
    """Refuse a column of weights where there are no columns, nothing is learned, or a copy of the user's lacks it.

    Parameters
    ----------
    form : str
        Of the files.
    kind : str
        Of the labels.
    local : LocalCopy or None
        Where a copy of the user's lies.

    Raises
    ------
    ValueError
        For any of the three.
    """
    if form == "folder":
        raise ValueError("weight names a column, and format 'folder' has none but the text and its label: leave it out")
    if kind == "choice":
        raise ValueError("weight is of rows that methods learn from, and choices are scored without: leave it out")
    if local is not None:
        raise ValueError("local has no weights: leave it out of a card with weight")


def number(text: str) -> float | None:
    """Return the finite number that a text is, None for any other.

    Parameters
    ----------
    text : str
        As in a file.

    Returns
    -------
    float or None

    Examples
    --------
    >>> number("-1.5"), number("nan"), number("three")
    (-1.5, None, None)
    """
    try:
        value = float(text.replace("_", "?"))  # Python's own spelling of 1000 as 1_000 is none of data
    except ValueError:
        return None
    return value if isfinite(value) else None


def check_distinct(groups: Sequence[Sequence[str]], what: str, form: Callable[[str], str] = str) -> None:
    """Refuse an item that two labels have, also in two spellings that look or count the same.

    Parameters
    ----------
    groups : sequence of sequences of str
        The items of each label.
    what : str
        What an item is, in errors.
    form : callable
        Item → what is compared.

    Raises
    ------
    ValueError
        With both spellings.
    """
    first: dict[str, tuple[int, str]] = {}
    for index, items in enumerate(groups):
        for item in items:
            earlier, other = first.setdefault(form(item), (index, item))
            if earlier == index:
                continue
            if other == item:
                raise ValueError(f"{what} {item!r} is given to two labels")
            raise ValueError(
                f"{what}s {other!a} and {item!a} of two labels differ only by case, Unicode form, invisible characters"
                " or .0: give both values to one label, or write one of them otherwise"
            )


def listed(names: Any) -> str:
    """Return names in order, quoted, with commas between.

    Parameters
    ----------
    names : iterable of str
        In any order.

    Returns
    -------
    str
        none without any.
    """
    return ", ".join(repr(name) for name in sorted(names)) or "none"
