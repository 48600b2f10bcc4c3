"""The nearest of many rows, by blocks."""

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats
from vocabsem.blocks import row_blocks

ENTRIES = 2**22  # of a block of distances


def nearest(queries: Floats, rows: Floats, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return indices (Q, k) of the k rows (N, D) nearest to each query (Q, D), nearest first, and squared distances."""
    lengths = np.concatenate([(block**2).sum(axis=1) for block in row_blocks(rows)])
    step = max(1, ENTRIES // len(rows))
    indices, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        squares = lengths - 2 * (block @ rows.T) + (block**2).sum(axis=1)[:, None]
        some = np.argpartition(squares, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(squares, some, axis=1), axis=1, kind="stable")
        indices[start : start + step] = np.take_along_axis(some, order, axis=1)
        distances[start : start + step] = np.take_along_axis(squares, indices[start : start + step], axis=1)
    return indices, np.maximum(distances, 0)
