"""Straight-line programs of one variable, and what its value is under their meaning and under another one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Programs", "make_programs", "number_of_programs"]

MODULUS = 5
KINDS = 2 * (MODULUS - 1)  # of operations
Ints = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Programs:
    """N programs of k operations, each line a statement.

    Attributes
    ----------
    lines : tuple of tuple of str
        Of each program 1 + k lines: the first sets x, each other adds to it or subtracts, modulo 5.
    true : ndarray of shape (N, 1 + k)
        Value of x after each line.
    swapped : ndarray of shape (N, 1 + k)
        The same where + subtracts and − adds.
    """

    lines: tuple[tuple[str, ...], ...]
    true: Ints
    swapped: Ints


def number_of_programs(operations: int) -> int:
    """Return how many programs of so many operations there are.

    Parameters
    ----------
    operations : int
        After the first line.

    Returns
    -------
    int

    Examples
    --------
    >>> number_of_programs(1)
    40
    """
    return int(MODULUS * KINDS**operations)


def make_programs(n: int, operations: int, generator: np.random.Generator) -> Programs:
    """Draw distinct programs.

    Parameters
    ----------
    n : int
        How many, not more than there are.
    operations : int
        After the first line.
    generator : numpy.random.Generator
        Of the draws.

    Returns
    -------
    Programs

    Examples
    --------
    >>> make_programs(1, 1, np.random.default_rng(0)).lines
    (('x = 4', 'x = (x - 3) % 5'),)
    """
    chosen = generator.choice(number_of_programs(operations), size=n, replace=False)
    start, rest = chosen % MODULUS, chosen // MODULUS
    kind = np.stack([rest // KINDS**position % KINDS for position in range(operations)], axis=1)  # (N, k)
    sign, size = np.where(kind < MODULUS - 1, 1, -1), kind % (MODULUS - 1) + 1
    total = np.concatenate([np.zeros((n, 1), int), (sign * size).cumsum(axis=1)], axis=1)
    lines = tuple(
        (f"x = {first}", *(f"x = (x {'+' if s > 0 else '-'} {k}) % {MODULUS}" for s, k in zip(*of, strict=True)))
        for first, *of in zip(start, sign, size, strict=True)
    )
    return Programs(lines, (start[:, None] + total) % MODULUS, (start[:, None] - total) % MODULUS)
