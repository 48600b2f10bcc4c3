"""Rows of a data set without their texts: which repeat or contradict each other, and a choice of them."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vocabsem.datasets.apportion import apportion
from vocabsem.datasets.label_values import Labels, is_continuous, label_text, strata

__all__ = ["ExampleRows", "choose_rows", "contradictions", "without_repeats"]


class ExampleRows(NamedTuple):
    """N rows of one part, without their texts.

    Parameters
    ----------
    part : str
        The file, or split of a hub folder, that they come from.
    number : ndarray of shape (N,), int64
        The row in its part, ascending.
    label : ndarray of shape (N,), int64 or float64, or (N, L), bool
        Its class, 0 … C-1, its number, or whether it has the label.
    text : ndarray of shape (N,), bytes
        A hash of all fields, white space normalized: rows of equal text are repeats.
    """

    part: str
    number: NDArray[np.int64]
    label: Labels
    text: NDArray[np.bytes_]

    def take(self, which: NDArray[Any]) -> "ExampleRows":
        """Return the rows of a mask, or of ascending indexes."""
        return ExampleRows(self.part, self.number[which], self.label[which], self.text[which])

    def ids(self) -> list[str]:
        """Return what the rows are called."""
        return [f"{self.part}-{number:06d}" for number in self.number.tolist()]


def contradictions(names: Sequence[str], parts: Sequence[ExampleRows]) -> list[str]:
    """List the texts that occur with different labels.

    Parameters
    ----------
    names : sequence of str
        Of the labels.
    parts : sequence of Rows
        Of one data set.

    Returns
    -------
    list of str
        For each such text what its rows are called, and the label of each.
    """
    text, labels = (np.concatenate(each) for each in zip(*((rows.text, rows.label) for rows in parts), strict=True))
    label = strata(labels)
    order = np.argsort(text, kind="stable")
    same = text[order][1:] == text[order][:-1]
    if not (same & (label[order][1:] != label[order][:-1])).any():
        return []
    ids = [name for rows in parts for name in rows.ids()]
    groups = np.split(order, np.flatnonzero(~same) + 1)
    several = sorted((group for group in groups if len(set(label[group].tolist())) > 1), key=lambda group: group[0])
    return [", ".join(f"{ids[i]} is {label_text(names, labels[i])!r}" for i in group) for group in several]


def choose_rows(rows: ExampleRows, total: int, purpose: str) -> NDArray[np.bool_]:
    """Choose rows by class in proportion, those of several labels or of numbers from all.

    Parameters
    ----------
    rows : Rows
        N rows.
    total : int
        How many are chosen.
    purpose : str
        Its hash, with the row's id, decides which.

    Returns
    -------
    ndarray of shape (N,), bool
    """
    of_class = rows.label.ndim == 1 and not is_continuous(rows.label)
    label = rows.label if of_class else np.zeros(len(rows.label), np.int64)
    share = apportion(np.bincount(label), total)
    ranked = np.argsort(
        np.array([sha256(f"{purpose} {name}".encode()).digest() for name in rows.ids()], "S32"), kind="stable"
    )
    chosen = np.zeros(len(ranked), bool)
    for each, seats in enumerate(share.tolist()):
        chosen[ranked[label[ranked] == each][:seats]] = True
    return chosen


def without_repeats(rows: ExampleRows) -> ExampleRows:
    """Return the first row of each text.

    Parameters
    ----------
    rows : Rows
        Of one part.

    Returns
    -------
    Rows
    """
    return rows.take(np.sort(np.unique(rows.text, return_index=True)[1]))
