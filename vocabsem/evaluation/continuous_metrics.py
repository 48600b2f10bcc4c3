"""Metrics of predicted numbers.

As those of `metrics` they are functions of means over examples.
"""

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError
from vocabsem.evaluation.metrics import Floats, Metric

__all__ = ["CONTINUOUS_METRICS", "checked_continuous", "evaluate_continuous"]


def evaluate_continuous(targets: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """Return r2, spearman, rmse and mae of predicted numbers.

    r2 is the share of the variance that is explained, 1 at best, below 0 where predictions are worse than the targets'
    mean. spearman is the correlation of the ranks (Spearman, 1904), equal values sharing their mean rank; in resamples
    the ranks are those of all examples. Both are 0 where targets do not differ, spearman also where predictions do not.
    rmse is the root of the mean squared error, mae the mean absolute error, both in the targets' unit.

    Parameters
    ----------
    targets : array-like of shape (N,)
        Finite numbers.
    predictions : array-like of shape (N,)
        Finite numbers.

    Returns
    -------
    dict of str to float
        The metrics by name.

    Raises
    ------
    DataError
        If shapes or values are not those of targets and predictions.

    Examples
    --------
    >>> metrics = evaluate_continuous([1.0, 2.0, 4.0], [1.0, 3.0, 5.0])
    >>> metrics["spearman"], round(metrics["r2"], 3), round(metrics["mae"], 3)
    (1.0, 0.571, 0.667)
    """
    y, p = checked_continuous(targets, predictions)
    return {name: float(metric.from_means(metric.terms(y, p).mean(0))) for name, metric in CONTINUOUS_METRICS.items()}


def checked_continuous(targets: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[Any], Floats]:
    """Validate targets and predictions.

    Parameters
    ----------
    targets, predictions : array-like of shape (N,)
        Finite numbers.

    Returns
    -------
    targets, predictions : ndarray of shape (N,), float64

    Raises
    ------
    DataError
        If shapes or values are others.

    Examples
    --------
    >>> targets, predictions = checked_continuous([1, 2], [1.5, 2])
    >>> predictions.tolist()
    [1.5, 2.0]
    """
    y, p = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    if y.ndim != 1 or y.shape != p.shape or y.size == 0:
        raise DataError(f"targets {y.shape} and predictions {p.shape}: expected (N,) of both")
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise DataError("targets or predictions are NaN or infinite")
    return y, p


def _errors(y: NDArray[Any], p: Floats) -> Floats:
    """Return (N, 3): squared error, target about the mean of all, its square."""
    centered = y - y.mean()
    return np.stack([(p - y) ** 2, centered, centered**2], axis=1)


def _determination(means: Floats) -> Floats:
    error, mean, square = np.moveaxis(means, -1, 0)
    variance = square - mean**2
    defined = variance > 1e-12 * np.maximum(square, error)  # a resample of one value leaves rounding
    return np.asarray(np.where(defined, 1 - np.divide(error, variance, out=np.ones_like(error), where=defined), 0.0))


def _rank_moments(y: NDArray[Any], p: Floats) -> Floats:
    """Return (N, 5): ranks of target and prediction about their means, their squares, their product."""
    first, second = (_ranks(each) - (len(y) + 1) / 2 for each in (y, p))
    return np.stack([first, second, first**2, second**2, first * second], axis=1)


def _ranks(values: Floats) -> Floats:
    """Return ranks from 1, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts - 1) / 2)[inverse])


def _correlation(means: Floats) -> Floats:
    first, second, first_square, second_square, product = np.moveaxis(means, -1, 0)
    variances = np.stack([first_square - first**2, second_square - second**2])
    defined = (variances > 1e-12 * np.stack([first_square, second_square])).all(axis=0)
    scale = np.sqrt(np.prod(np.where(defined, variances, 1.0), axis=0))
    return np.asarray(np.where(defined, np.clip((product - first * second) / scale, -1, 1), 0.0))


CONTINUOUS_METRICS = MappingProxyType(
    {
        "r2": Metric(_errors, _determination),
        "spearman": Metric(_rank_moments, _correlation),
        "rmse": Metric(lambda y, p: ((p - y) ** 2)[:, None], lambda means: np.sqrt(means[..., 0])),
        "mae": Metric(lambda y, p: np.abs(p - y)[:, None], lambda means: means[..., 0]),
    }
)
"""By their names."""
