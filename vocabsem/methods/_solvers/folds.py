"""Folds for estimates of rows left out, and rows drawn from many."""

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


def sample_rows(labels: Ints, most: int, random_state: int) -> Ints:
    """Return which rows are kept where there are too many, ascending: one of each class, the others at random."""
    order = np.random.default_rng(random_state).permutation(len(labels))
    order = np.concatenate([np.unique(labels, return_index=True)[1], order])
    return np.sort(order[np.sort(np.unique(order, return_index=True)[1])][:most])
