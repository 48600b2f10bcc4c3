"""The axes along which rows vary, without a singular value decomposition: the smaller Gram matrix has them."""

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats


def principal_axes(z: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared singular values (r,) of z (N, D), ascending, and right singular vectors (D, r); r = D where N > D.

    Where N ≤ D, r ≤ N: directions that are zero to float64 are left out.
    """
    if len(z) > z.shape[1]:
        return axes_of_gram(z.T @ z)
    z = z.astype(np.float64)
    squares, left = np.linalg.eigh(z @ z.T)
    kept = squares > squares[-1] * len(z) * np.finfo(np.float64).eps
    return squares[kept], z.T @ (left[:, kept] / np.sqrt(squares[kept]))


def axes_of_gram(gram: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What `principal_axes` returns of more rows than columns, of their Gram matrix zᵀz (D, D)."""
    squares, axes = np.linalg.eigh(gram)
    return np.maximum(squares, 0), axes
