"""Metrics of predicted classes that are in order: an error by two classes is worse than one by a single class.

As those of `metrics` they are functions of means over examples.
"""

from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from vocabsem.evaluation.metrics import Floats, Ints, Metric, checked

__all__ = ["ORDINAL_METRICS", "evaluate_ordinal"]


def evaluate_ordinal(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Return qwk and mae of the most probable classes.

    qwk is Cohen's kappa with quadratic weights (Cohen, 1968): 1 minus the mean squared distance of label and prediction
    over that of a random pairing; 0 where labels and predictions are all of one class. mae is their mean distance in
    classes.

    Parameters
    ----------
    labels : array-like of shape (N,)
        Integers in 0..C-1, the classes in order.
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
    >>> round(evaluate_ordinal([0, 1, 2], [[1, 0, 0], [0, 1, 0], [0, 1, 0]])["qwk"], 3)
    0.667
    """
    y, p = checked(labels, probabilities)
    return {name: float(metric.from_means(metric.terms(y, p).mean(0))) for name, metric in ORDINAL_METRICS.items()}


def _distance(y: Ints, p: Floats) -> Floats:
    return np.asarray(np.abs(p.argmax(1) - y)[:, None], np.float64)


def _moments(y: Ints, p: Floats) -> Floats:
    """Return (N, 4): squared distance, label, prediction, and the sum of their squares."""
    predicted = p.argmax(1)
    return np.stack([(predicted - y) ** 2, y, predicted, y**2 + predicted**2], axis=1).astype(np.float64)


def _kappa(means: Floats) -> Floats:
    observed, label, predicted, squares = np.moveaxis(means, -1, 0)
    by_chance = squares - 2 * label * predicted
    defined = by_chance > 1e-12 * squares  # equal constants leave rounding
    return np.asarray(1 - np.divide(observed, by_chance, out=np.ones_like(observed), where=defined))


ORDINAL_METRICS = MappingProxyType(
    {"qwk": Metric(_moments, _kappa), "mae": Metric(_distance, lambda means: means[..., 0])}
)
"""By their names."""
