"""Many rows, some at a time, and what adds up over blocks of them."""

from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["HELD", "block_slices", "column_moments", "gathered_rows", "row_blocks"]

BLOCK = 1 << 24  # bytes of a block in float64
HELD = 1 << 27  # bytes of rows that are made and held in memory; more lie in a file


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


def gathered_rows(shape: tuple[int, int], blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Put blocks of rows together: in memory, or above 128 MB in a file whose pages the system takes back as it must.

    The file has no name and ends with the array; it lies in the system's folder of temporaries (`TMPDIR`).

    Parameters
    ----------
    shape : tuple of two int
        (N, D) of all rows.
    blocks : iterable of ndarrays of shape (n, D), float32
        All rows in order, some at a time.

    Returns
    -------
    ndarray of shape (N, D), float32

    Examples
    --------
    >>> gathered_rows((3, 1), [np.zeros((2, 1), np.float32), np.ones((1, 1), np.float32)]).ravel()
    array([0., 0., 1.], dtype=float32)
    """
    if 4 * shape[0] * shape[1] <= HELD:
        rows = np.empty(shape, np.float32)
        start = 0
        for block in blocks:
            rows[start : start + len(block)] = block
            start += len(block)
        return rows
    with TemporaryFile() as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.float32).data.cast("B"))
        file.flush()
        return np.asarray(np.memmap(file, np.float32, "r+", 0, shape).view(np.ndarray))


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
