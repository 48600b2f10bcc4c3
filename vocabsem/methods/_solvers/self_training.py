"""Self-training on unlabeled states: a soft clustering that starts where the vocabulary points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.arrays import Floats, Ints

BALANCE_STEPS, SHARES_STEPS = 10, 30  # numerical: fixed-point iterations that have settled by then


@dataclass(frozen=True, kw_only=True)
class SelfTraining:
    """How `self_train` learns from its own predictions."""

    rounds: int = 5
    """How often predictions become soft labels."""
    pseudo_label_sharpness: float = 4.0
    """Of the softmax over predictions of unit deviation."""
    labeled_weight: float = 10.0
    """Of a labeled row beside an unlabeled one."""
    shrinkage: float = 0.4
    """Penalty, in units of the mean eigenvalue of the weighted scatter matrix."""


def self_train(
    states: Floats,
    scatter: Floats,
    prediction: Floats,
    labeled: Floats,
    labels: Ints,
    shares: Floats,
    settings: SelfTraining,
) -> NDArray[np.float32]:
    """Fit ridge regression to soft labels of its own. Returns weights (D, C).

    states (M, D) unlabeled, scatter (D, D) = statesᵀ states, prediction (M, C) the logits so far, labeled
    (N, D), labels (N,) in 0..C-1, shares (C,) of the classes among the unlabeled; N may be 0.

    Each round turns predictions of unit deviation into soft labels in about these shares (q ∝ softmax(4 a) · shares /
    its mean over the rows), and fits ridge regression to them and to the given labels. Unlabeled rows weigh 1 − N/M:
    less where most are labeled.
    """
    share = max(0.0, 1 - len(labels) / len(states))
    classes = prediction.shape[1]
    normal = (share * scatter + settings.labeled_weight * (labeled.T @ labeled)).astype(np.float64)
    normal[np.diag_indices_from(normal)] += settings.shrinkage * np.trace(normal) / len(normal)
    inverse = np.linalg.inv(normal)
    pull = settings.labeled_weight * (labeled.T @ (np.eye(classes)[labels] - 1 / classes))
    weights = np.zeros((states.shape[1], classes), np.float32)
    for _ in range(settings.rounds):
        q = softmax(settings.pseudo_label_sharpness * prediction.astype(np.float64) / (prediction.std() or 1.0), axis=1)
        q *= shares / q.mean(axis=0)
        q = q / q.sum(axis=1, keepdims=True) - 1 / classes
        weights = (inverse @ (share * (states.T @ q.astype(states.dtype)) + pull)).astype(np.float32)
        prediction = states @ weights
    return weights


def balance(prediction: Floats, shares: Floats) -> NDArray[np.float64]:
    """Return the shift b (C,) with which softmax(prediction + b), of (M, C), has the mean `shares` (C,), nearly.

    Steps of b_c += log(share_c / mean_c), iterative proportional fitting; batch calibration is the first, for equal
    shares.
    """
    shift = np.zeros(prediction.shape[1])
    for _ in range(BALANCE_STEPS):
        shift += np.log(shares / softmax(prediction + shift, axis=1).mean(axis=0))
    return np.asarray(shift - shift.mean())


def balanced(weights: Floats, pool: Floats, shares: Floats, constant: float) -> Floats:
    """Return weights (D, C), the last row changed so that they name the classes of the pool (M, D) in these shares.

    constant: the last column of the pool.
    """
    shift = np.zeros_like(weights)
    shift[-1] = balance(pool @ weights, shares) / constant
    return weights + shift


def estimate_shares(logits: Floats, given: Floats, uniform_weight: float) -> NDArray[np.float64]:
    """Return class shares (C,) of unlabeled rows, from logits (M, C) learned where the shares were `given`.

    Steps of expectation maximization (Saerens et al., 2002), drawn towards equal shares by uniform_weight · M
    pseudo-rows: softmax(logits + log(shares / given)) has the shares for its mean but for that.
    """
    equal = np.full(logits.shape[1], 1 / logits.shape[1])
    shares = equal
    for _ in range(SHARES_STEPS):
        mean = softmax(logits + np.log(shares / given), axis=1).mean(axis=0)
        shares = (mean + uniform_weight * equal) / (1 + uniform_weight)
    return np.asarray(shares)
