"""Folds for estimates of rows left out."""

import numpy as np

from vocabsem.arrays import Ints


def deal_folds(labels: Ints, cv: int) -> Ints:
    """Return the fold of each row: rows sorted by class are dealt to the folds in turn."""
    fold = np.empty(len(labels), np.int64)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % cv
    return fold


def left_out_folds(labels: Ints, cv: int, max_leave_one_out: int) -> Ints:
    """Return the fold of each row: its own up to so many rows, else one of cv as dealt by `deal_folds`."""
    return deal_folds(labels, len(labels) if len(labels) <= max_leave_one_out else cv)
