"""Many rows, some at a time, and what adds up over blocks of them."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["block_slices", "column_moments", "row_blocks"]

BLOCK = 1 << 24  # bytes of a block in float64


class _Rows(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


def block_slices(rows: _Rows) -> list[slice]:
    """Return slices that are all rows in order, each of at most 16 MB of them in float64, or of one row.

    Parameters
    ----------
    rows : ndarray of shape (N, d), or what has such a shape
        Rows, in memory, mapped from a file, or made as they are read.

    Returns
    -------
    list of slice

    Examples
    --------
    >>> block_slices(np.zeros((3, 1 << 20)))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    count, width = rows.shape
    size = max(1, BLOCK // (8 * width))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def row_blocks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the rows in order, as views of `block_slices`.

    Parameters
    ----------
    rows : ndarray of shape (N, d)
        Rows, in memory or mapped from a file.

    Yields
    ------
    ndarray of shape (n, d)
        At least one; without rows one of shape (0, d).

    Examples
    --------
    >>> [block.shape for block in row_blocks(np.zeros((3, 1 << 20)))]
    [(2, 1048576), (1, 1048576)]
    """
    yield from (rows[part] for part in block_slices(rows) or [slice(0)])


def column_moments(blocks: Iterable[NDArray[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute mean and variance of each column in one pass over blocks of rows, those of the blocks combined.

    With n_b rows, mean m_b and variance v_b of a block, m = Σ n_b m_b / N and v = Σ n_b (v_b + (m_b − m)²) / N (Chan,
    Golub and LeVeque, 1983): as exact as two passes over all rows in float64.

    Parameters
    ----------
    blocks : iterable of ndarrays of shape (n, d)
        All rows, some at a time.

    Returns
    -------
    tuple of two ndarrays of shape (d,), float64

    Examples
    --------
    >>> column_moments([np.array([[0.0], [4.0]]), np.array([[8.0]])])
    (array([4.]), array([10.66666667]))
    """
    parts = [(len(b), b.mean(axis=0, dtype=np.float64), b.var(axis=0, dtype=np.float64)) for b in blocks]
    counts, means, variances = (np.asarray(each) for each in zip(*parts, strict=True))
    shares = counts / counts.sum()
    mean = shares @ means
    return mean, shares @ (variances + (means - mean) ** 2)
