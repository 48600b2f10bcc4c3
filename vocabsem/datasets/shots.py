"""Choose labeled training rows: the same for every method at one (data set, shots, seed)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.datasets.label_values import Labels, is_continuous
from vocabsem.errors import DataError

__all__ = ["OnInsufficient", "add_label_noise", "choose_shots", "shots_text"]

OnInsufficient = Literal["raise", "use_all"]
NOISE = 1  # keeps the random numbers of noise apart from those of shots


def choose_shots(
    labels: Labels,
    shots: int | Literal["all"],
    seed: int,
    classes: int,
    *,
    on_insufficient: OnInsufficient = "raise",
) -> NDArray[np.int64]:
    """Return the indices of `shots` training rows per class, or of every row.

    The classes take turns, so that 4 shots are the first of the 16 shots of the same seed. Where rows have several
    labels, each label has at least `shots` of them, and so have the rows without a label as far as there are some: a
    row counts for all its labels and is chosen once. Where labels are numbers, `shots` rows are drawn from all.

    Parameters
    ----------
    labels : ndarray of shape (N,) or (N, classes)
        Integers in 0..classes-1, or whether a row has the label; floats are continuous targets.
    shots : int or "all"
        Rows per class, or every row in the given order.
    seed : int
        Seed of the choice.
    classes : int
        Number of classes.
    on_insufficient : {"raise", "use_all"}
        What to do with a class of fewer rows than shots: raise, or use all its rows.

    Returns
    -------
    ndarray of shape (classes * shots,) or (N,), int64
        Of several labels a row, at most (classes + 1) * shots; of numbers, `shots`.

    Raises
    ------
    DataError
        Where a class has fewer rows than shots (unless they are all used), all rows are of one class or value, or no
        label is on some rows and not on others.

    Examples
    --------
    >>> labels = np.array([0, 1, 0, 1])
    >>> labels[choose_shots(labels, 1, seed=0, classes=2)].tolist()
    [0, 1]
    """
    _check(labels, classes)
    if shots == "all":
        return np.arange(len(labels))
    if shots < 0:
        raise DataError(f"shots is {shots}: give 0 or more, or 'all'")
    order = np.random.default_rng(seed).permutation(len(labels))
    if is_continuous(labels):
        if shots > len(labels) and on_insufficient == "raise":
            raise DataError(
                f"{shots_text(shots)}, and there are {len(labels)} training rows: choose at most as many, for 'all', or"
                " set on_insufficient to 'use_all'"
            )
        return order[:shots]
    shuffled = labels[order]
    there = shuffled if labels.ndim == 2 else shuffled[:, None] == np.arange(classes)
    members = [order[there[:, c]] for c in range(classes)]
    short = min(range(classes), key=lambda c: len(members[c]))
    if len(members[short]) < shots and on_insufficient == "raise":
        raise DataError(
            f"{shots_text(shots)} of class {short}, which has {len(members[short])} training rows: "
            f"choose at most {len(members[short])}, for 'all', or set on_insufficient to 'use_all'"
        )
    groups = [*members, order[~there.any(axis=1)]]
    turns = [rows[turn] for turn in range(shots) for rows in groups if turn < len(rows)]
    return np.array(list(dict.fromkeys(turns)), dtype=np.int64)


def _check(labels: Labels, classes: int) -> None:
    if is_continuous(labels):
        if len(np.unique(labels)) < 2:
            raise DataError("the training rows have one value, or there are none: give rows of different values")
        return
    if labels.ndim == 2:
        if labels.shape[1] != classes or not (labels.any(axis=0) & ~labels.all(axis=0)).any():
            raise DataError(
                f"training labels {labels.shape}: expected {classes} columns, and a label that some rows have and"
                " others do not"
            )
        return
    present = np.unique(labels)
    if len(present) and not 0 <= present[0] <= present[-1] < classes:
        raise DataError(f"training labels run from {present[0]} to {present[-1]}: expected 0 to {classes - 1}")
    if len(present) < 2:
        present_classes = f"only class {present[0]}" if len(present) else "no rows"
        raise DataError(f"the training rows have {present_classes}: give rows of at least two classes")


def add_label_noise(labels: NDArray[np.int64], share: float, seed: int, classes: int) -> NDArray[np.int64]:
    """Replace a share of the labels, each by one of the other classes with equal probability.

    Nested: with the same seed and labels, a larger share replaces what a smaller one does, and by the same classes.

    Parameters
    ----------
    labels : ndarray of shape (N,)
        Integers in 0..classes-1.
    share : float
        Share of the labels in 0..1; round(share · N) are replaced.
    seed : int
        Seed of the choice.
    classes : int
        Number of classes.

    Returns
    -------
    ndarray of shape (N,), int64

    Examples
    --------
    >>> add_label_noise(np.array([0, 0, 1, 1]), 1.0, seed=0, classes=2).tolist()
    [1, 1, 0, 0]
    """
    generator = np.random.default_rng([seed, NOISE])
    others = (labels + generator.integers(1, classes, size=len(labels))) % classes
    replaced = generator.permutation(len(labels))[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[replaced] = others[replaced]
    return noisy


def shots_text(shots: int | str) -> str:
    """Return a number of shots, or `all`, with its noun.

    Parameters
    ----------
    shots : int or str
        Rows per class, or "all".

    Returns
    -------
    str

    Examples
    --------
    >>> shots_text("1"), shots_text(4), shots_text("all")
    ('1 shot', '4 shots', 'all shots')
    """
    return f"{shots} shot{'s' * (str(shots) != '1')}"
