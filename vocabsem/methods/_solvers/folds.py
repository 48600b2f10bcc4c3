"""Folds for estimates of rows left out."""

import numpy as np

from vocabsem.methods.arrays import Ints


def deal_folds(labels: Ints, cv: int) -> Ints:
    """Return the fold of each row: rows sorted by class are dealt to the folds in turn."""
    fold = np.empty(len(labels), np.int64)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % cv
    return fold
