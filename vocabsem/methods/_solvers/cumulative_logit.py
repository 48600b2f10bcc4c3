"""Proportional odds on a single score: thresholds between classes in order."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from vocabsem.arrays import Ints

Values = NDArray[np.float64]


def log_probabilities(scores: Values, sharpness: float, thresholds: Values) -> Values:
    """Return log P(c | u) (N, C) of scores u (N,): P(class ≤ c) = σ(k (θ_c − u)), θ (C − 1,) ascending."""
    upper, lower = _edges(scores, sharpness, thresholds)
    return np.asarray(log_expit(upper) + log_expit(-lower) + np.log(-np.expm1(lower - upper)))  # σ(a) − σ(b)


def fit_thresholds(
    scores: Values,
    labels: Ints,
    classes: int,
    *,
    sharpness: float = 2.0,
    deviation: float = 1.0,
    weights: Values | None = None,
) -> tuple[float, Values]:
    """Return k and θ (C − 1,) of the largest likelihood of labels (N,), given scores of about unit deviation.

    Each class has one more row, at the score of its rank, so that a class without rows has room too; log k has a
    normal prior around log sharpness. weights (N,): what a row counts; each of the further rows counts 1.
    """
    ranks = np.arange(classes) - (classes - 1) / 2
    ranks /= ranks.std()
    u, y = np.concatenate([scores, ranks]), np.concatenate([labels, np.arange(classes)])
    rows = np.arange(len(u))
    counted = np.ones(len(u)) if weights is None else np.concatenate([weights, np.ones(classes)])

    def cost(parameters: Values) -> tuple[float, Values]:
        k, thresholds = _unpack(parameters)
        upper, lower = _edges(u, k, thresholds)
        a, b = upper[rows, y], lower[rows, y]
        between = 1 / np.expm1(a - b)
        of_a, of_b = expit(-a) + between, -expit(b) - between  # slopes of log(σ(a) − σ(b)); 0 at infinity
        of_a, of_b = counted * of_a, counted * of_b
        log_p = log_probabilities(u, k, thresholds)[rows, y]
        away = (parameters[0] - np.log(sharpness)) / deviation
        at = np.bincount(y, of_a, classes)[:-1] + np.bincount(y, of_b, classes)[1:]  # along each threshold, over k
        along = np.cumsum(at[::-1])[::-1] * k  # a gap moves all thresholds above it
        of_k = sum(float((slope * np.where(np.isfinite(x), x, 0)).sum()) for slope, x in ((of_a, a), (of_b, b)))
        gaps = np.concatenate([[1.0], np.diff(thresholds)])
        gradient = -np.concatenate([[of_k], along * gaps])
        gradient[0] += away / deviation
        return 0.5 * away**2 - float((counted * log_p).sum()), gradient

    start = np.concatenate([[np.log(sharpness), (ranks[0] + ranks[1]) / 2], np.log(np.diff(ranks)[1:])])
    return _unpack(minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x)


def _unpack(parameters: Values) -> tuple[float, Values]:
    """(log k, θ_1, log gaps) → k, θ."""
    steps = np.concatenate([parameters[1:2], np.exp(parameters[2:])])
    return float(np.exp(parameters[0])), np.cumsum(steps)


def _edges(scores: Values, sharpness: float, thresholds: Values) -> tuple[Values, Values]:
    """k (θ − u) of the upper and of the lower end of each class, (N, C)."""
    inner = sharpness * (thresholds - scores[:, None])
    end = np.full((len(scores), 1), np.inf)
    return np.hstack([inner, end]), np.hstack([-end, inner])
