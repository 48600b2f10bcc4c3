"""Weigh several predictions of the same rows by a small convex fit to their held-out estimates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from vocabsem.arrays import Floats, Ints

FACTORS = np.exp(np.linspace(-1.5, 3.0, 46))  # a grid, finer than the prior


@dataclass(frozen=True, kw_only=True)
class Stacking:
    """What `weigh` takes for likely before it has seen labels."""

    stacking_weights: Sequence[float]
    """Of each prediction."""
    stacking_alpha: float
    """The penalty on a change of them, where labels are many."""
    stacking_shots: float
    """With so many labels per class it is twice that, with half as many five times."""
    sharpness_deviation: float
    """The prior deviation of the logarithm of a common factor."""

    def where_labeled(self, share: float) -> "Stacking":
        """Return the settings of two predictions, of labels and of all rows, where a share of the rows has labels.

        That share of the second's weight goes to the first: clusters of the few others say little.
        """
        first, second = self.stacking_weights
        moved = min(1.0, share) * second
        return replace(self, stacking_weights=(first + moved, second - moved))


def weigh(estimates: Sequence[Floats], labels: Ints, shift: Floats, settings: Stacking) -> NDArray[np.float64]:
    """Return weights (K·C + 1, C) of K predictions, each (N, C), and of a constant: logits are their products.

    The fit (`stack`) is drawn towards each prediction times its weight and a common factor (`sharpen`), and towards the
    shift (C,).
    """
    both, classes = np.hstack(estimates), len(shift)
    start = np.vstack([weight * np.eye(classes) for weight in settings.stacking_weights[: len(estimates)]])
    factor = sharpen(both @ start, shift, labels, settings.sharpness_deviation)
    start = np.vstack([factor * start, shift])
    few = (settings.stacking_shots * len(np.unique(labels)) / len(labels)) ** 2
    alpha = settings.stacking_alpha * (1 + few)
    return fit_stacking(np.hstack([both, np.ones((len(both), 1))]), labels, start, alpha=alpha)


def fit_stacking(predictions: Floats, labels: Ints, start: Floats, *, alpha: float) -> NDArray[np.float64]:
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
