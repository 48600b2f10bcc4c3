"""Weigh several answers to the same question by a small convex fit to their held-out estimates."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from vocabsem.methods.base import Floats, Ints

FACTORS = np.exp(np.linspace(-1.5, 3.0, 46))
SURPRISE = 0.5  # prior deviation of the log factor


def stack(answers: Floats, labels: Ints, start: Floats, *, penalty: float) -> NDArray[np.float64]:
    """answers (N, K), labels (N,), start (K, C) → weights (K, C): logits are answers @ weights.

    Minimizes Σ −log softmax(answers_i M)[y_i] + penalty/2 ‖M − start‖², a Gaussian prior around `start`.
    """
    observed = np.eye(start.shape[1])[labels]

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(start.shape)
        log_p = log_softmax(answers @ weights, axis=1)
        away = weights - start
        gradient = answers.T @ (np.exp(log_p) - observed) + penalty * away
        return float(0.5 * penalty * (away**2).sum() - (log_p * observed).sum()), gradient.ravel()

    found = minimize(loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options={"ftol": 1e-10})
    return np.asarray(found.x.reshape(start.shape))


def sharpen(logits: Floats, shift: Floats, labels: Ints) -> float:
    """The factor s that makes softmax(s · logits + shift) most probable, from held-out logits (N, C), labels (N,).

    Minimizes Σ −log softmax(·)[y_i] + ½ (log s / SURPRISE)² over a grid: few labels leave s near 1.
    """
    own = np.arange(len(labels))
    costs = [
        0.5 * (np.log(factor) / SURPRISE) ** 2 - log_softmax(factor * logits + shift, axis=1)[own, labels].sum()
        for factor in FACTORS
    ]
    return float(FACTORS[np.argmin(costs)])
