"""Learn from one's own answers on unlabelled states: a soft clustering that starts where the vocabulary points."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.methods.base import Floats, Ints

SHARPNESS = 4.0  # of the softmax over answers of unit deviation
LABELLED = 10.0  # weight of a labelled row beside an unlabelled one
SHRINKAGE = 0.2  # penalty, in units of the mean eigenvalue of the weighted scatter matrix


def self_train(
    states: Floats, answer: Floats, labelled: Floats, labels: Ints, *, rounds: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """states (M, D) unlabelled, answer (M, C) their logits so far, labelled (N, D) with labels (N,), N may be 0.

    Each round turns answers of unit deviation into soft labels, about as many of each class (q ∝ softmax(4 a), divided
    by its mean over the rows), and fits ridge regression to them and to the given labels. Unlabelled rows weigh
    1 − N/M: nothing where all are labelled. Returns weights (D, C) and estimates (N, C) of the labels, each without
    its own label in the last round: with the leverage h of a labelled row, y − (y − estimate)/(1 − h).
    """
    share = max(0.0, 1 - len(labels) / len(states))
    classes = answer.shape[1]
    scatter = share * (states.T @ states) + LABELLED * (labelled.T @ labelled)
    scatter = scatter.astype(np.float64)
    scatter[np.diag_indices_from(scatter)] += SHRINKAGE * np.trace(scatter) / len(scatter)
    inverse = np.linalg.inv(scatter)
    known = np.eye(classes)[labels] - 1 / classes
    pull = LABELLED * (labelled.T @ known)
    weights = np.zeros((states.shape[1], classes), np.float32)
    for _ in range(rounds):
        q = softmax(SHARPNESS * answer.astype(np.float64) / (answer.std() or 1.0), axis=1)
        q /= q.mean(axis=0)
        q = q / q.sum(axis=1, keepdims=True) - 1 / classes
        weights = (inverse @ (share * (states.T @ q.astype(states.dtype)) + pull)).astype(np.float32)
        answer = states @ weights
    leverage = LABELLED * np.einsum("nd,de,ne->n", labelled, inverse, labelled, optimize=True)
    estimates = known - (known - labelled @ weights) / (1 - leverage)[:, None]
    return weights, estimates
