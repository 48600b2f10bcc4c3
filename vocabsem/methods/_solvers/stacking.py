"""Weigh several predictions of the same rows by a small convex fit to their held-out estimates."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from vocabsem.methods.arrays import Floats, Ints

FACTORS = np.exp(np.linspace(-1.5, 3.0, 46))  # a grid, finer than the prior


def stack(predictions: Floats, labels: Ints, start: Floats, *, alpha: float) -> NDArray[np.float64]:
    """Return weights (K, C) of predictions (N, K) with labels (N,): logits are predictions @ weights.

    Minimizes Σ −log softmax(predictions_i M)[y_i] + alpha/2 ‖M − start‖², a Gaussian prior around `start` (K, C).
    """
    observed = np.eye(start.shape[1])[labels]

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(start.shape)
        log_p = log_softmax(predictions @ weights, axis=1)
        away = weights - start
        gradient = predictions.T @ (np.exp(log_p) - observed) + alpha * away
        return float(0.5 * alpha * (away**2).sum() - (log_p * observed).sum()), gradient.ravel()

    result = minimize(loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options={"ftol": 1e-10})
    return np.asarray(result.x.reshape(start.shape))


def sharpen(logits: Floats, shift: Floats, labels: Ints, deviation: float) -> float:
    """Return the factor s that makes softmax(s · logits + shift) most probable: held-out logits (N, C), labels (N,).

    Minimizes Σ −log softmax(·)[y_i] + ½ (log s / deviation)² over a grid: few labels leave s near 1.
    """
    own = np.arange(len(labels))
    costs = [
        0.5 * (np.log(factor) / deviation) ** 2 - log_softmax(factor * logits + shift, axis=1)[own, labels].sum()
        for factor in FACTORS
    ]
    return float(FACTORS[np.argmin(costs)])
