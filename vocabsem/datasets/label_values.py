"""The label column of a data set to labels: one class a row, any number of labels, or a number."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vocabsem.cards.checks import number
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import DataError
from vocabsem.prompts.texts import is_empty

__all__ = ["LabelColumn", "Labels", "is_continuous", "label_counts", "label_text", "strata"]

Labels = NDArray[Any]  # (N,) int64, classes; (N, L) bool, whether a row has the label; or (N,) float64, numbers


class LabelColumn:
    """Reads the values of a data set's label column.

    Parameters
    ----------
    card : DatasetCard
        Its labels, and how several are separated in one value.
    """

    def __init__(self, card: DatasetCard) -> None:
        self.card = card
        self.known = {value: i for i, label in enumerate(card.labels) for value in label.values}

    def read(self, value: str, where: str) -> tuple[Any, int]:
        """Return the label of a row, and how many values the card does not list.

        Parameters
        ----------
        value : str
            Of the label column.
        where : str
            The row, named in errors.

        Returns
        -------
        label : int or list of int or float or None
            A class; of a data set whose rows have any number of labels, those of the row; a continuous target; None for
            a row to drop.
        unlisted : int
            Values that are none of the card's, which `drop_unlisted` leaves out.

        Raises
        ------
        DataError
            For a value that is not in the card, an empty label name, and a value that is no list, or no number, where
            it has to be.
        """
        if self.card.label_kind == "continuous":
            return self._number(value, where)
        if self.card.label_kind != "multi":
            listed = self.known.get(value)
            return listed, self._unlisted([value] if listed is None else [], where)
        names = self._names(value, where)
        unlisted = self._unlisted([name for name in names if name not in self.known], where)
        return sorted({self.known[name] for name in names if name in self.known}), unlisted

    def stack(self, labels: Sequence[Any]) -> Labels:
        """Return labels as an array.

        Parameters
        ----------
        labels : sequence of N labels
            As `read` returns them.

        Returns
        -------
        ndarray of shape (N,), int64; (N, L), bool; or (N,), float64
        """
        if self.card.label_kind == "continuous":
            return np.array(labels, np.float64)
        if self.card.label_kind != "multi":
            return np.array(labels, np.int64)
        there = np.zeros((len(labels), self.card.classes), bool)
        for row, each in zip(there, labels, strict=True):
            row[each] = True
        return there

    def _unlisted(self, names: list[str], where: str) -> int:
        if names and not self.card.drop_unlisted:
            raise DataError(
                f"{where} has {names[0][:60]!r} in the label column {self.card.label_column!r}: the card's labels are"
                f" {', '.join(map(repr, self.known))[:200]}"
            )
        return len(names)

    def _number(self, value: str, where: str) -> tuple[float | None, int]:
        parsed = number(value)
        if parsed is None and not self.card.drop_unlisted:
            raise DataError(
                f"{where} has {value[:60]!r} in the label column {self.card.label_column!r}, which is no finite number:"
                " fix the row, or set 'drop_unlisted: true' in the card"
            )
        return parsed, int(parsed is None)

    def _names(self, value: str, where: str) -> list[str]:
        if is_empty(value):
            return []
        separator, column = self.card.separator, self.card.label_column
        if separator is None:
            try:
                names = json.loads(value)
            except ValueError:
                names = None
            if not isinstance(names, list) or any(isinstance(name, list | dict) for name in names):
                raise DataError(
                    f"{where} has {value[:60]!r} in the label column {column!r}, no list of labels: set 'separator' in"
                    " the card to what stands between them"
                )
            names = ["" if name is None else str(name).strip() for name in names]
        else:
            names = [name.strip() for name in value.split(separator)]
        if any(map(is_empty, names)):
            fix = f"take out the {separator!r} beside it" if separator else "take it out of the list"
            raise DataError(f"{where} has an empty label name in {value[:60]!r}, column {column!r}: {fix}")
        return names


def strata(labels: Labels) -> NDArray[np.int64]:
    """Return a number for each row, equal where labels are.

    Parameters
    ----------
    labels : ndarray of shape (N,) or (N, L)
        Classes or numbers, or whether a row has the label.

    Returns
    -------
    ndarray of shape (N,), int64

    Examples
    --------
    >>> strata(np.array([[True, False], [False, False], [True, False]])).tolist()
    [1, 0, 1]
    """
    if labels.ndim == 1 and not is_continuous(labels):
        return labels.astype(np.int64)
    return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)


def is_continuous(labels: Labels) -> bool:
    """Return whether labels are numbers and no classes.

    Parameters
    ----------
    labels : ndarray of shape (N,) or (N, L)
        As `LabelColumn.stack` returns them.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_continuous(np.array([0.5, 2.0])), is_continuous(np.array([0, 2]))
    (True, False)
    """
    return bool(labels.dtype.kind == "f")


def label_counts(labels: Labels, classes: int) -> NDArray[np.int64]:
    """Count the rows of each label.

    Parameters
    ----------
    labels : ndarray of shape (N,) or (N, L)
        Classes, or whether a row has the label.
    classes : int
        Number of labels.

    Returns
    -------
    ndarray of shape (classes,), int64

    Examples
    --------
    >>> label_counts(np.array([0, 2, 2]), 3).tolist()
    [1, 0, 2]
    """
    return np.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(axis=0)


def label_text(names: Sequence[str], label: Any) -> str:
    """Return the labels of one row in words.

    Parameters
    ----------
    names : sequence of str
        Of all labels.
    label : int or float or ndarray of shape (L,)
        A class, a number, or whether the row has the label.

    Returns
    -------
    str
        Empty for a row without labels.

    Examples
    --------
    >>> label_text(["corn", "oil", "gold"], np.array([True, False, True]))
    'corn, gold'
    """
    if isinstance(label, float):
        return f"{label:g}"
    return names[label] if np.ndim(label) == 0 else ", ".join(names[int(i)] for i in np.flatnonzero(label))
