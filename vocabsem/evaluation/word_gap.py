"""Compare scores of label words with exact ones: how far approximations of words of several tokens are from them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import rankdata

from vocabsem.errors import DataError
from vocabsem.evaluation.metrics import evaluate

__all__ = ["compare_scores"]

Floats = NDArray[np.floating[Any]]


def compare_scores(exact: Floats, scores: Floats, labels: NDArray[np.integer[Any]]) -> dict[str, float]:
    """Measure scores of C label words as predictions, and their agreement with the exact ones.

    Parameters
    ----------
    exact : ndarray of shape (N, C)
        log P(word | prompt) of each class.
    scores : ndarray of shape (N, C)
        Approximations of them, on any scale.
    labels : ndarray of shape (N,)
        The classes.

    Returns
    -------
    dict of str to float
        accuracy and macro_f1 of the highest score; spearman: rank correlation of a row's C scores with its exact ones,
        mean over the rows, 0 for a row of equal scores; top1: share of rows whose highest score is of the same class.

    Raises
    ------
    DataError
        Shapes that differ, or no rows.

    Examples
    --------
    >>> compare_scores(np.log([[0.5, 0.3, 0.2]]), np.array([[2.0, 0.0, 1.0]]), np.array([0]))["spearman"]
    0.5
    """
    if exact.shape != scores.shape or exact.ndim != 2 or exact.size == 0:
        raise DataError(f"exact scores {exact.shape} and scores {scores.shape}: expected (N, C) of both, N above 0")
    measured = evaluate(labels, softmax(np.asarray(scores, np.float64), axis=1))
    one, other = (rankdata(each, axis=1) - (each.shape[1] + 1) / 2 for each in (exact, scores))
    length = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    correlation = np.divide((one * other).sum(axis=1), length, out=np.zeros(len(one)), where=length > 0)
    return {
        "accuracy": measured["accuracy"],
        "macro_f1": measured["macro_f1"],
        "spearman": float(correlation.mean()),
        "top1": float((exact.argmax(axis=1) == scores.argmax(axis=1)).mean()),
    }
