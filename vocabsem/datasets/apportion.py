"""Divide rows among classes in proportion."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["apportion"]


def apportion(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Divide `total` rows among classes in proportion, by largest remainders.

    The first class comes first where remainders are equal. A class that would have no row takes one from the class
    with most, if there are enough for every class.

    Parameters
    ----------
    counts : ndarray of shape (C,)
        Rows of each class.
    total : int
        Rows to divide.

    Returns
    -------
    ndarray of shape (C,), int64

    Examples
    --------
    >>> apportion(np.array([90, 9, 1]), 10).tolist()
    [8, 1, 1]
    """
    # Integers throughout: the same seats on every machine.
    seats, remainder = np.divmod(counts * total, max(int(counts.sum()), 1))
    seats[np.argsort(-remainder, kind="stable")[: total - int(seats.sum())]] += 1
    if total >= np.count_nonzero(counts):
        for empty in np.flatnonzero((counts > 0) & (seats == 0)):
            seats[np.argmax(seats)] -= 1
            seats[empty] += 1
    return seats
