"""States and labels as arrays: checked, centered, scaled."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.blocks import column_moments, row_blocks
from vocabsem.errors import DataError

__all__ = [
    "Floats",
    "Ints",
    "check_indicator",
    "check_labels",
    "check_states",
    "check_weights",
    "mean_and_deviation",
    "unit_rows",
    "weighted_mean_and_std",
]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def check_states(X: ArrayLike, width: int | None, method: str) -> NDArray[np.float32]:
    """Return states as float32, each row contiguous; float32 states that are so already are not copied.

    Parameters
    ----------
    X : array of shape (N, d)
        States.
    width : int or None
        The number of columns expected, if it matters.
    method : str
        Named in errors.

    Returns
    -------
    ndarray of shape (N, d), float32

    Raises
    ------
    DataError
        Another shape, or values that are not finite.

    Examples
    --------
    >>> check_states([[1, 2]], 2, "zero_shot")
    array([[1., 2.]], dtype=float32)
    """
    states = np.asarray(X, dtype=np.float32)
    if states.ndim != 2 or states.strides[1] != 4 or states.strides[0] < 4 * states.shape[1]:
        states = np.ascontiguousarray(states)
    if states.ndim != 2 or states.shape[1] == 0 or (width is not None and states.shape[1] != width):
        raise DataError(f"{method}: states of shape {states.shape}, expected (N, {width or 'd'})")
    before = 0
    for block in row_blocks(states):
        if not (finite := np.isfinite(block)).all():
            row = before + int(np.flatnonzero(~finite.all(axis=1))[0])
            raise DataError(f"{method}: states hold NaN or infinite values, first in row {row}: extract them again")
        before += len(block)
    return states


def check_labels(y: ArrayLike | None, rows: int, classes: int, method: str) -> NDArray[np.int64]:
    """Return labels as int64.

    Parameters
    ----------
    y : array of shape (N,) or None
        Classes.
    rows, classes : int
        N, and the number of classes.
    method : str
        Named in errors.

    Returns
    -------
    ndarray of shape (N,), int64

    Raises
    ------
    DataError
        No labels, other than integers 0 to C - 1, or of a single class.

    Examples
    --------
    >>> check_labels([0, 1, 1], 3, 2, "ridge")
    array([0, 1, 1])
    """
    if y is None:
        raise DataError(f"{method} needs labels: choose one shot per class or more")
    labels = np.asarray(y)
    if labels.shape != (rows,) or labels.dtype.kind not in "iu":
        raise DataError(f"{method}: labels {labels.shape} of type {labels.dtype}, expected ({rows},) integers")
    present = np.unique(labels)
    if len(present) < 2:
        raise DataError(f"{method}: training labels hold {len(present)} class, expected two at least")
    if present[0] < 0 or present[-1] >= classes:
        raise DataError(f"{method}: labels run from {present[0]} to {present[-1]}, expected 0 to {classes - 1}")
    return labels.astype(np.int64)


def check_indicator(y: ArrayLike, rows: int, labels: int, method: str) -> NDArray[np.int64]:
    """Return labels of rows that may have several as int64.

    Parameters
    ----------
    y : array of shape (N, L)
        1 where a row has the label, else 0.
    rows, labels : int
        N and L.
    method : str
        Named in errors.

    Returns
    -------
    ndarray of shape (N, L), int64

    Raises
    ------
    DataError
        Other than zeros and ones, or no label that some rows have and others do not.

    Examples
    --------
    >>> check_indicator([[0, 1], [1, 1]], 2, 2, "multi_ridge").sum()
    np.int64(3)
    """
    given = np.asarray(y)
    if given.shape != (rows, labels) or given.dtype.kind not in "biuf" or not np.isin(given, (0, 1)).all():
        raise DataError(
            f"{method}: labels {given.shape} of type {given.dtype}, expected ({rows}, {labels}): 1 where a row has the"
            " label, else 0"
        )
    if not (given.any(axis=0) & ~given.all(axis=0)).any():
        raise DataError(
            f"{method}: each label is on all {rows} rows or on none, so no threshold can be chosen: give rows with and"
            " without a label"
        )
    return given.astype(np.int64)


def check_weights(sample_weight: ArrayLike, rows: int, method: str) -> NDArray[np.float64]:
    """Return weights of rows.

    Parameters
    ----------
    sample_weight : array of shape (N,)
        Numbers not below 0, some above.
    rows : int
        N.
    method : str
        Named in errors.

    Returns
    -------
    ndarray of shape (N,), float64

    Raises
    ------
    DataError
        Another shape, weights that are not finite or below 0, and zeros alone.

    Examples
    --------
    >>> check_weights([1, 2, 3], 3, "ridge")
    array([1., 2., 3.])
    """
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (rows,):
        raise DataError(f"{method}: sample_weight of shape {weights.shape}, expected ({rows},)")
    if not (proper := np.isfinite(weights) & (weights >= 0)).all():
        raise DataError(f"{method}: sample_weight holds {weights[~proper][0]}: give numbers of 0 or more")
    if not weights.any():
        raise DataError(f"{method}: every weight in sample_weight is zero: give some rows a weight")
    return weights


def weighted_mean_and_std(
    values: NDArray[Any], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute mean and standard deviation of each column over weighted rows.

    Parameters
    ----------
    values : ndarray of shape (N,) or (N, d)
        Columns.
    weights : ndarray of shape (N,), float64, or None
        Of the rows; None weighs all the same.

    Returns
    -------
    tuple of two ndarrays of shape () or (d,), float64

    Examples
    --------
    >>> mean, std = weighted_mean_and_std(np.array([0.0, 4.0]), np.array([1.5, 0.5]))
    >>> float(mean), round(float(std), 3)
    (1.0, 1.732)
    """
    mean = np.average(values, axis=0, weights=weights)
    return np.asarray(mean), np.asarray(np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights)))


def mean_and_deviation(background: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute mean and standard deviation of each column; 1 where a column is constant but for rounding.

    Parameters
    ----------
    background : ndarray of shape (M, d)
        States.

    Returns
    -------
    tuple of two ndarrays of shape (d,), float32

    Examples
    --------
    >>> mean_and_deviation(np.array([[0.0, 5.0], [2.0, 5.0]]))
    (array([1., 5.], dtype=float32), array([1., 1.], dtype=float32))
    """
    mean, variance = column_moments(row_blocks(background))
    deviation = np.sqrt(variance)
    deviation[deviation <= 1e-6 * np.abs(mean)] = 1.0  # also where both are 0
    return mean.astype(np.float32), deviation.astype(np.float32)


def unit_rows(rows: Floats) -> Floats:
    """Divide rows by their length; a zero row stays zero.

    Parameters
    ----------
    rows : ndarray of shape (N, d)
        Any vectors.

    Returns
    -------
    ndarray of shape (N, d)

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
