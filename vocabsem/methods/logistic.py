"""Multinomial logistic regression with a given offset, its penalty chosen by cross-validation on the training rows.

The linear probe is its case without an offset and the vocabulary calibrator its case with one, so that what the two
differ by is what the vocabulary says.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from vocabsem.errors import TrainingFailed
from vocabsem.methods.base import Floats, Ints

PENALTIES = (1000.0, 300.0, 100.0, 30.0, 10.0)  # λ, strongest first: each fit starts from the one before
USUAL = 300.0  # λ without data to choose by: the prior on log λ is normal around it with deviation 1
BIAS_SHARE = 0.01  # of λ, on the intercepts: enough to keep them finite where a class is absent
ITERATIONS = 300  # L-BFGS steps at most; about 50 are taken
SELECTION_ROWS = 5000  # at most so many training rows choose λ; all of them fit the result


@dataclass(frozen=True, eq=False)
class Linear:
    """weights (D, C) float32, intercepts (C,) float32, and the penalty λ they were fitted under."""

    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    penalty: float

    def logits(self, z: Floats, offset: Floats) -> Floats:
        return np.asarray(offset + z @ self.weights + self.intercepts)


def fit_logistic(z: Floats, offset: Floats, labels: Ints, penalty: float, start: Linear | None = None) -> Linear:
    """Minimise Σ_i −log softmax(offset_i + z_i W + b)[y_i] + λ/2 ‖W‖² + λ/200 ‖b‖², a convex function, by L-BFGS.

    z (N, D) float32, offset (N, C) float32, labels (N,). Raises TrainingFailed when the loss is not finite.
    """
    (_, width), classes = z.shape, offset.shape[1]
    observed = np.eye(classes, dtype=np.float32)[labels]
    weight = np.full((width + 1, classes), penalty)
    weight[-1] *= BIAS_SHARE

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        both = flat.reshape(width + 1, classes)
        log_p = log_softmax(offset + z @ both[:-1].astype(np.float32) + both[-1], axis=1)
        excess = (np.exp(log_p) - observed).astype(np.float32)
        gradient = np.vstack([z.T @ excess, excess.sum(axis=0)]) + weight * both
        return 0.5 * float((weight * both**2).sum()) - float((log_p * observed).sum()), gradient.ravel()

    first = np.zeros((width + 1, classes)) if start is None else np.vstack([start.weights, start.intercepts])
    options = {"maxiter": ITERATIONS, "ftol": 1e-8, "gtol": 1e-3}
    with np.errstate(over="ignore", invalid="ignore"):  # judged by the loss, below
        found = minimize(loss_and_gradient, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    if not np.isfinite(found.fun):
        raise TrainingFailed(f"logistic regression: the loss became {found.fun} at penalty {penalty}: check the states")
    both = found.x.reshape(width + 1, classes).astype(np.float32)
    return Linear(both[:-1], both[-1], penalty)


def choose_and_fit(z: Floats, offset: Floats, labels: Ints, *, folds: int, seed: int) -> Linear:
    """`fit_logistic` with the λ that is most probable given the training rows.

    λ minimises  Σ_i −log P_{−i}(y_i) + ½ (log λ/300)²,  P_{−i} fitted without the fold of row i: the held-out
    likelihood under a log-normal prior on λ. With few rows the prior decides, with many the data do.
    """
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.permutation(len(labels))[:SELECTION_ROWS])
    fold = _stratified(labels[rows], min(folds, len(rows)), generator)
    cost = 0.5 * np.log(np.array(PENALTIES) / USUAL) ** 2
    for number in range(fold.max() + 1):
        train, held_out = rows[fold != number], rows[fold == number]
        model = None
        for place, penalty in enumerate(PENALTIES):
            model = fit_logistic(z[train], offset[train], labels[train], penalty, model)
            log_p = log_softmax(model.logits(z[held_out], offset[held_out]), axis=1)
            cost[place] -= log_p[np.arange(len(held_out)), labels[held_out]].sum()
    return fit_logistic(z, offset, labels, PENALTIES[int(cost.argmin())])


def _stratified(labels: Ints, folds: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Fold of each row: rows sorted by class, random within a class, are dealt to the folds in turn."""
    fold = np.empty(len(labels), np.int64)
    fold[np.lexsort((generator.random(len(labels)), labels))] = np.arange(len(labels)) % folds
    return fold
