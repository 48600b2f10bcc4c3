"""Ridge regression on one-hot labels: from one decomposition what true labels and permuted ones predict."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RidgePredictions", "macro_f1", "ridge_predictions"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
PENALTIES = 10.0 ** np.arange(-5, 2)  # of the mean squared length of a training row


@dataclass(frozen=True, eq=False)
class RidgePredictions:
    """Classes that a ridge predicts, with true labels first and permuted ones after.

    Attributes
    ----------
    left_out : ndarray of shape (1 + B, N)
        Of training texts, each left out.
    labels : ndarray of shape (1 + B, N)
        With which it is trained.
    test : ndarray of shape (1 + B, M)
        Of other texts.
    """

    left_out: Ints
    labels: Ints
    test: Ints


def ridge_predictions(train: Floats, test: Floats, labels: Ints) -> RidgePredictions:
    """Return what ridge regression on one-hot labels predicts, with the penalty of the least leave-one-out error.

    Parameters
    ----------
    train : ndarray of shape (N, k)
        Centered.
    test : ndarray of shape (M, k)
        Centered on the training texts.
    labels : ndarray of shape (1 + B, N)
        Of the training texts; the first row, which chooses the penalty, is the true one.

    Returns
    -------
    Predictions
    """
    n, classes = len(train), int(labels.max()) + 1
    left, sizes, right = np.linalg.svd(train, full_matrices=False)
    squares, shares = sizes**2, np.bincount(labels[0], minlength=classes) / n
    targets = np.eye(classes)[labels[0]] - shares
    best = np.inf, np.zeros_like(squares), np.zeros(n)
    for penalty in PENALTIES * squares.sum() / n:
        kept = squares / (squares + penalty)
        leverage = left**2 @ kept + 1 / n
        error = float((((targets - left * kept @ (left.T @ targets)) / (1 - leverage)[:, None]) ** 2).sum())
        best = min(best, (error, kept, leverage), key=lambda each: each[0])
    _, kept, leverage = best
    onto = np.divide(kept, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    columns = (np.eye(classes)[labels] - shares).transpose(1, 0, 2).reshape(n, -1).astype(np.float32)  # (N, (1 + B)·C)
    inner = left.T.astype(np.float32) @ columns
    fitted = (left * kept).astype(np.float32) @ inner
    away = columns - (columns - fitted) / (1 - leverage)[:, None].astype(np.float32)
    others = (test @ right.T * onto).astype(np.float32) @ inner
    return RidgePredictions(_classes(away, shares), labels, _classes(others, shares))


def macro_f1(labels: Ints, predicted: Ints) -> NDArray[np.float64]:
    """Return the mean F1 of the classes that occur in labels or predictions.

    Parameters
    ----------
    labels, predicted : ndarray of shape (B, N)
        Classes from 0.

    Returns
    -------
    ndarray of shape (B,)

    Examples
    --------
    >>> macro_f1(np.array([[0, 1]]), np.array([[0, 1]])).tolist()
    [1.0]
    """
    classes, draws = int(max(labels.max(), predicted.max())) + 1, len(labels)
    cells = (np.arange(draws)[:, None] * classes + labels) * classes + predicted
    table = np.bincount(cells.ravel(), minlength=draws * classes**2).reshape(draws, classes, classes)
    hits, occurring = np.einsum("bcc->bc", table), table.sum(axis=1) + table.sum(axis=2)
    scores = np.divide(2 * hits, occurring, out=np.zeros(hits.shape), where=occurring > 0)
    return np.asarray(scores.sum(axis=1) / (occurring > 0).sum(axis=1))


def _classes(scores: Floats, shares: Floats) -> Ints:
    """Return the class of the largest score, (N, (1 + B)·C) → (1 + B, N); the intercepts are the classes' shares."""
    return np.asarray((scores.reshape(len(scores), -1, len(shares)) + shares).argmax(axis=2).T)
