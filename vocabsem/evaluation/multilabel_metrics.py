"""Metrics of predicted sets of labels: a text may have none of the L labels, one or several.

As those of `metrics` they are functions of means over examples. What is scored has two numbers a label: its probability
and whether it is predicted, which thresholds decide that are not one half.
"""

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError
from vocabsem.evaluation.metrics import EPSILON, Floats, Metric, f1_of_means

__all__ = ["MULTILABEL_METRICS", "checked_multilabel", "evaluate_multilabel"]


def evaluate_multilabel(labels: ArrayLike, probabilities: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Return accuracy, macro_f1, micro_f1, nll and brier of predicted sets of labels.

    accuracy is the share of texts whose set is predicted exactly, the subset accuracy of scikit-learn. macro_f1
    averages over the labels that occur in labels or predictions, micro_f1 counts all decisions together, 0 where no
    label is there or predicted. nll is the mean log-loss in nats and brier the mean squared error, both of the
    probability of each label.

    Parameters
    ----------
    labels : array-like of shape (N, L)
        1 where a text has the label, else 0.
    probabilities : array-like of shape (N, L)
        In 0..1, of each label by itself.
    predicted : array-like of shape (N, L)
        1 where the label is predicted, else 0.

    Returns
    -------
    dict of str to float
        The metrics by name.

    Raises
    ------
    DataError
        If shapes or values are not those of labels, probabilities and predictions.

    Examples
    --------
    >>> metrics = evaluate_multilabel([[1, 0], [1, 1]], [[0.9, 0.1], [0.8, 0.2]], [[1, 0], [1, 0]])
    >>> metrics["accuracy"], metrics["micro_f1"]
    (0.5, 0.8)
    """
    y, answers = checked_multilabel(
        labels, np.stack([np.asarray(a, np.float64) for a in (probabilities, predicted)], -1)
    )
    return {
        name: float(metric.from_means(metric.terms(y, answers).mean(0))) for name, metric in MULTILABEL_METRICS.items()
    }


def checked_multilabel(labels: ArrayLike, answers: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    """Validate labels and answers.

    Parameters
    ----------
    labels : array-like of shape (N, L)
        1 where a text has the label, else 0.
    answers : array-like of shape (N, L, 2)
        Its probability, and 1 where it is predicted, else 0.

    Returns
    -------
    labels : ndarray of shape (N, L), int64
    answers : ndarray of shape (N, L, 2), float64

    Raises
    ------
    DataError
        If shapes or values are not those of labels and answers.

    Examples
    --------
    >>> labels, answers = checked_multilabel([[0, 1]], [[[0.2, 0], [0.7, 1]]])
    >>> labels.shape, answers.shape
    ((1, 2), (1, 2, 2))
    """
    y: NDArray[Any] = np.asarray(labels)
    a = np.asarray(answers, np.float64)
    if y.ndim != 2 or a.shape != (*y.shape, 2) or y.size == 0:
        raise DataError(f"labels {y.shape} and answers {a.shape}: expected (N, L) and (N, L, 2)")
    if not (np.isin(y, (0, 1)).all() and np.isin(a[..., 1], (0, 1)).all()):
        raise DataError("labels and predictions are 1 where a text has the label, else 0: some are other numbers")
    if not ((a[..., 0] >= 0) & (a[..., 0] <= 1)).all():
        raise DataError("probabilities of labels are NaN or not in 0..1")
    return y.astype(np.int64), a


def _exact(y: NDArray[np.int64], a: Floats) -> Floats:
    return np.asarray((a[..., 1] == y).all(axis=1, keepdims=True), np.float64)


def _counts(y: NDArray[np.int64], a: Floats) -> Floats:
    """Return (N, 2L): true positives of each label, and 2·TP + FP + FN."""
    return np.concatenate([y * a[..., 1], y + a[..., 1]], axis=1)


def _micro_f1(means: Floats) -> Floats:
    true_positives, occurrences = (part.sum(-1) for part in np.split(means, 2, axis=-1))
    return np.asarray(np.divide(2 * true_positives, occurrences, out=np.zeros_like(occurrences), where=occurrences > 0))


def _log_losses(y: NDArray[np.int64], a: Floats) -> Floats:
    right = np.where(y, a[..., 0], 1 - a[..., 0])
    return np.asarray(-np.log(np.maximum(right, EPSILON)).mean(axis=1, keepdims=True))


def _squares(y: NDArray[np.int64], a: Floats) -> Floats:
    return np.asarray(((a[..., 0] - y) ** 2).mean(axis=1, keepdims=True))


def _first_column(means: Floats) -> Floats:
    return means[..., 0]


MULTILABEL_METRICS = MappingProxyType(
    {
        "accuracy": Metric(_exact, _first_column),
        "macro_f1": Metric(_counts, f1_of_means),
        "micro_f1": Metric(_counts, _micro_f1),
        "nll": Metric(_log_losses, _first_column),
        "brier": Metric(_squares, _first_column),
    }
)
"""By their names."""
