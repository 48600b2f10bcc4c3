"""Learn from one's own answers on unlabeled states: a soft clustering that starts where the vocabulary points."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.methods.base import Floats, Ints

SHARPNESS = 4.0  # of the softmax over answers of unit deviation
LABELED = 10.0  # weight of a labeled row beside an unlabeled one
SHRINKAGE = 0.4  # penalty, in units of the mean eigenvalue of the weighted scatter matrix
EQUALITY = 0.2  # pseudo-rows for each unlabeled row, spread over the classes equally


def self_train(
    states: Floats, scatter: Floats, answer: Floats, labeled: Floats, labels: Ints, shares: Floats, *, rounds: int
) -> NDArray[np.float32]:
    """states (M, D) unlabeled, scatter (D, D) = statesᵀ states, answer (M, C) the logits so far, labeled (N, D),
    labels (N,) in 0..C-1, shares (C,) of the classes among the unlabeled; N may be 0.

    Each round turns answers of unit deviation into soft labels in about these shares (q ∝ softmax(4 a) · shares / its
    mean over the rows), and fits ridge regression to them and to the given labels. Unlabeled rows weigh 1 − N/M: less
    where most are labeled. Returns weights (D, C).
    """
    share = max(0.0, 1 - len(labels) / len(states))
    classes = answer.shape[1]
    normal = (share * scatter + LABELED * (labeled.T @ labeled)).astype(np.float64)
    normal[np.diag_indices_from(normal)] += SHRINKAGE * np.trace(normal) / len(normal)
    inverse = np.linalg.inv(normal)
    pull = LABELED * (labeled.T @ (np.eye(classes)[labels] - 1 / classes))
    weights = np.zeros((states.shape[1], classes), np.float32)
    for _ in range(rounds):
        q = softmax(SHARPNESS * answer.astype(np.float64) / (answer.std() or 1.0), axis=1)
        q *= shares / q.mean(axis=0)
        q = q / q.sum(axis=1, keepdims=True) - 1 / classes
        weights = (inverse @ (share * (states.T @ q.astype(states.dtype)) + pull)).astype(np.float32)
        answer = states @ weights
    return weights


def balance(answer: Floats, shares: Floats) -> NDArray[np.float64]:
    """answer (M, C) → the shift b (C,) with which softmax(answer + b) has the mean `shares` (C,), nearly.

    Ten steps of b_c += log(share_c / mean_c), iterative proportional fitting; batch calibration is the first, for equal
    shares.
    """
    shift = np.zeros(answer.shape[1])
    for _ in range(10):
        shift += np.log(shares / softmax(answer + shift, axis=1).mean(axis=0))
    return np.asarray(shift - shift.mean())


def estimate_shares(logits: Floats, given: Floats) -> NDArray[np.float64]:
    """Class shares (C,) among unlabeled rows, from logits (M, C) that were learned where the shares were `given`.

    Thirty steps of expectation maximization (Saerens et al., 2002), drawn towards equal shares by EQUALITY · M
    pseudo-rows: softmax(logits + log(shares / given)) has the shares for its mean but for that.
    """
    equal = np.full(logits.shape[1], 1 / logits.shape[1])
    shares = equal
    for _ in range(30):
        found = softmax(logits + np.log(shares / given), axis=1).mean(axis=0)
        shares = (found + EQUALITY * equal) / (1 + EQUALITY)
    return np.asarray(shares)
