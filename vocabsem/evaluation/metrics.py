"""Metrics of predicted probabilities.

Each metric is a function of means over examples of per-example terms (hits, log-losses, confusion counts, bin counts),
which is what `resampling` needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError

__all__ = [
    "METRICS",
    "Metric",
    "Reliability",
    "checked",
    "confusion",
    "evaluate",
    "f1_of_means",
    "mean_and_std",
    "reliability",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 15
EPSILON = float(np.finfo(np.float64).eps)  # a probability of 0 counts as this in the log-loss, as in scikit-learn


@dataclass(frozen=True)
class Metric:
    """A metric as a function of means over examples.

    Attributes
    ----------
    terms : callable
        Labels (N,) and probabilities (N, C) → terms of each example (N, k).
    from_means : callable
        Means of the terms over examples (..., k) → the metric (...).
    """

    terms: Callable[[Ints, Floats], Floats]
    from_means: Callable[[Floats], Floats]


def evaluate(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Return accuracy, macro_f1, nll, ece and brier of probabilities.

    macro_f1 averages over the classes that occur in labels or predictions, as scikit-learn does; a class in neither has
    no F1. nll is the mean log-loss in nats. ece has 15 equal-width bins of the highest probability. brier is the mean
    squared distance of the probabilities from certainty of the label, 0 to 2 (Brier, 1950).

    Parameters
    ----------
    labels : array-like of shape (N,)
        Integers in 0..C-1.
    probabilities : array-like of shape (N, C)
        Rows that sum to one.

    Returns
    -------
    dict of str to float
        The metrics by name.

    Raises
    ------
    DataError
        If shapes or values are not those of labels and probabilities.

    Examples
    --------
    >>> evaluate([0, 1], [[0.9, 0.1], [0.2, 0.8]])["accuracy"]
    1.0
    """
    y, p = checked(labels, probabilities)
    return {name: float(metric.from_means(metric.terms(y, p).mean(0))) for name, metric in METRICS.items()}


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation of one metric over seeds.

    Parameters
    ----------
    values : sequence of float
        The metric of each seed.

    Returns
    -------
    mean, std : float
        std divides by n - 1, and is 0 for a single value.

    Raises
    ------
    DataError
        If there are no values.

    Examples
    --------
    >>> mean_and_std([1.0, 2.0, 3.0])
    (2.0, 1.0)
    """
    if len(values) == 0:
        raise DataError("no values to average over seeds")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram: confidence against accuracy in B bins.

    Attributes
    ----------
    confidence, accuracy : ndarray of shape (B,), float64
        Means of each bin; NaN where it is empty.
    count : ndarray of shape (B,), int64
        Examples in each bin.
    """

    confidence: Floats
    accuracy: Floats
    count: Ints


def reliability(
    labels: ArrayLike,
    probabilities: ArrayLike,
    strategy: Literal["uniform", "quantile"] = "uniform",
    n_bins: int = BINS,
) -> Reliability:
    """Return the reliability diagram of the highest probability.

    Parameters
    ----------
    labels : array-like of shape (N,)
        Integers in 0..C-1.
    probabilities : array-like of shape (N, C)
        Rows that sum to one.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width over [0, 1], as those of the ECE, or of equal mass: as many examples in each, but for equal
        confidences, which share a bin. As in scikit-learn's `calibration_curve`.
    n_bins : int, default=15
        Number B of bins.

    Returns
    -------
    Reliability

    Raises
    ------
    DataError
        If shapes or values are not those of labels and probabilities.

    Examples
    --------
    >>> reliability([0, 1], [[0.9, 0.1], [0.3, 0.7]]).count.sum()
    np.int64(2)
    """
    y, p = checked(labels, probabilities)
    bin_, confidence = _bins(p, n_bins)
    if strategy == "quantile":
        edges = np.quantile(confidence, np.linspace(0, 1, n_bins + 1)[1:-1])
        bin_ = np.searchsorted(edges, confidence)
    count = np.bincount(bin_, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            confidence=np.bincount(bin_, confidence, n_bins) / count,
            accuracy=np.bincount(bin_, p.argmax(1) == y, n_bins) / count,
            count=count,
        )


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """Return the confusion counts: row the label, column the prediction.

    Parameters
    ----------
    labels, predicted : array-like of shape (N,)
        Integers in 0..C-1.
    classes : int
        Number C of classes.

    Returns
    -------
    ndarray of shape (C, C), int64

    Examples
    --------
    >>> confusion([0, 1, 1], [0, 1, 0], 2).tolist()
    [[1, 0], [1, 1]]
    """
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _hits(y: Ints, p: Floats) -> Floats:
    return np.asarray(p.argmax(1) == y, np.float64)


def _confusion_terms(y: Ints, p: Floats) -> Floats:
    """Return (N, 2C): true positives of each class, and 2·TP + FP + FN."""
    of_label, of_prediction = np.eye(p.shape[1])[y], np.eye(p.shape[1])[p.argmax(1)]
    return np.concatenate([of_label * of_prediction, of_label + of_prediction], axis=1)


def f1_of_means(means: Floats) -> Floats:
    """Return macro-F1 over the classes that occur.

    Parameters
    ----------
    means : ndarray of shape (..., 2C)
        Of each class true positives, then 2·TP + FP + FN, as means over examples.

    Returns
    -------
    ndarray of shape (...)
        0 where no class occurs.

    Examples
    --------
    >>> f1_of_means(METRICS["macro_f1"].terms(np.array([0, 1]), np.eye(2)[[0, 1]]).mean(axis=0))
    array(1.)
    """
    true_positives, occurrences = np.split(means, 2, axis=-1)
    f1 = np.divide(2 * true_positives, occurrences, out=np.zeros_like(occurrences), where=occurrences > 0)
    return np.asarray(f1.sum(-1) / np.maximum((occurrences > 0).sum(-1), 1))


def _log_losses(y: Ints, p: Floats) -> Floats:
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], EPSILON))[:, None])


def _gap_of_bin(y: Ints, p: Floats) -> Floats:
    bin_, confidence = _bins(p)
    return np.asarray(np.eye(BINS)[bin_] * (_hits(y, p) - confidence)[:, None])


def _squares(y: Ints, p: Floats) -> Floats:
    return np.asarray(((p - np.eye(p.shape[1])[y]) ** 2).sum(1, keepdims=True))


def _first_column(means: Floats) -> Floats:
    return means[..., 0]


METRICS = {
    "accuracy": Metric(lambda y, p: _hits(y, p)[:, None], _first_column),
    "macro_f1": Metric(_confusion_terms, f1_of_means),
    "nll": Metric(_log_losses, _first_column),
    "ece": Metric(_gap_of_bin, lambda means: np.asarray(np.abs(means).sum(-1))),
    "brier": Metric(_squares, _first_column),
}


def _bins(p: Floats, n_bins: int = BINS) -> tuple[Ints, Floats]:
    confidence = p.max(1)
    return np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1), confidence


def checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    """Validate labels and probabilities.

    Parameters
    ----------
    labels : array-like of shape (N,)
        Integers in 0..C-1.
    probabilities : array-like of shape (N, C)
        Rows that sum to one.

    Returns
    -------
    labels : ndarray of shape (N,), int64
    probabilities : ndarray of shape (N, C), float64

    Raises
    ------
    DataError
        If shapes or values are not those of labels and probabilities.

    Examples
    --------
    >>> labels, probabilities = checked([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    >>> labels.dtype, probabilities.shape
    (dtype('int64'), (2, 2))
    """
    y: NDArray[Any] = np.asarray(labels)
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or y.shape != p.shape[:1] or len(y) == 0 or y.dtype.kind not in "iu":
        raise DataError(f"labels {y.shape} {y.dtype} and probabilities {p.shape}: expected (N,) integers and (N, C)")
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise DataError(f"labels run from {y.min()} to {y.max()}, expected 0 to {p.shape[1] - 1}")
    if not (p >= 0).all() or not np.allclose(p.sum(1), 1, atol=1e-4):
        raise DataError("probabilities are negative, NaN or do not sum to one in every row")
    return y.astype(np.int64), p
