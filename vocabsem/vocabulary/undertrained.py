"""Under-trained tokens: rows of the head that training has hardly changed, so that they carry no meaning.

A token that a model never has to predict gets one kind of gradient only, away from every state. Its row ends where the
rows of all such tokens do, in the directions that the head has most of (Land and Bartolo, 2024, find them by that).
There the leverage of a row is small for its length.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError

__all__ = ["undertrained"]


def undertrained(leverage: ArrayLike, head_norm: ArrayLike, share: float = 0.01) -> NDArray[np.bool_]:
    """Return which tokens have the least leverage for the norm of their head row, l_i / ‖w_i‖².

    Rows of zero have none, and come first.

    Parameters
    ----------
    leverage : array-like of shape (V,)
        Leverage of each head row, as `semantic_anchors` returns it.
    head_norm : array-like of shape (V,)
        Norm of each head row.
    share : float, default=0.01
        Share of the V tokens, rounded down; 0 for none.

    Returns
    -------
    ndarray of shape (V,), bool

    Raises
    ------
    DataError
        For a share outside [0, 1).

    References
    ----------
    Land and Bartolo (2024), Fishing for Magikarp: Automatically Detecting Under-trained Tokens in Large Language
    Models, arXiv 2405.05417.

    Examples
    --------
    >>> undertrained([0.2, 0.01, 0.3], [1.0, 1.0, 1.0], share=0.4).tolist()
    [False, True, False]
    """
    if not 0 <= share < 1:
        raise DataError(f"share {share} of under-trained tokens: expected a number from 0 to below 1")
    squares = np.square(np.asarray(head_norm, np.float64))
    ratio = np.divide(np.asarray(leverage, np.float64), squares, out=np.zeros(len(squares)), where=squares > 0)
    hidden = np.zeros(len(ratio), bool)
    hidden[np.argsort(ratio, kind="stable")[: int(share * len(ratio))]] = True
    return hidden
