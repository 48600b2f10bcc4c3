"""Which labeled training rows a method may see: the same for every method at one (data set, shots, seed)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import DataError

Scarce = Literal["refuse", "take_all"]
NOISE = 1  # sets the draws of noise apart from those of shots


def choose_shots(
    labels: NDArray[np.int64], shots: int | Literal["all"], seed: int, classes: int, *, scarce: Scarce = "refuse"
) -> NDArray[np.int64]:
    """Indices of `shots` training rows per class, or of every row. A class with fewer rows gives all it has to
    `take_all`, and is an error otherwise.

    labels: (N,) integers in 0 … classes-1. Returns (classes * shots,), the classes taking turns, so that the choice of
    4 shots is the beginning of the choice of 16 with the same seed; for `all`, (N,) in the given order.
    Raises DataError: fewer rows of a class than shots, or rows of a single class.
    """
    present = np.unique(labels)
    if len(present) and not 0 <= present[0] <= present[-1] < classes:
        raise DataError(f"training labels run from {present[0]} to {present[-1]}: expected 0 to {classes - 1}")
    if len(present) < 2:
        found = f"only class {present[0]}" if len(present) else "no rows"
        raise DataError(f"the training rows have {found}: give rows of at least two classes")
    if shots == "all":
        return np.arange(len(labels))
    if shots < 0:
        raise DataError(f"shots is {shots}: give 0 or more, or 'all'")
    order = np.random.default_rng(seed).permutation(len(labels))
    members = [order[labels[order] == c] for c in range(classes)]
    short = min(range(classes), key=lambda c: len(members[c]))
    if len(members[short]) < shots and scarce == "refuse":
        raise DataError(
            f"{shots} shots asked of class {short}, which has {len(members[short])} training rows: "
            f"ask for at most {len(members[short])}, for 'all', or let scarce classes give all they have"
        )
    turns = [rows[turn] for turn in range(shots) for rows in members if turn < len(rows)]
    return np.array(turns, dtype=np.int64)


def add_label_noise(labels: NDArray[np.int64], share: float, seed: int, classes: int) -> NDArray[np.int64]:
    """Labels (N,) of which round(share · N) are replaced, each by one of the other classes, all of these alike likely.

    Nested: with the same seed and labels, a larger share replaces what a smaller one does, and by the same classes.
    """
    generator = np.random.default_rng([seed, NOISE])
    others = (labels + generator.integers(1, classes, size=len(labels))) % classes
    replaced = generator.permutation(len(labels))[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[replaced] = others[replaced]
    return noisy
