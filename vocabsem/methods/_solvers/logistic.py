"""Multinomial logistic regression with a given offset, its penalty chosen by cross-validation on the training rows.

The linear probe is its case without an offset.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from vocabsem import blocks
from vocabsem.arrays import Floats, Ints
from vocabsem.blocks import gathered_rows, row_blocks
from vocabsem.errors import TrainingFailed
from vocabsem.methods._solvers.principal_axes import principal_axes
from vocabsem.runtime.parallel import thread_limits

ALPHAS = (1000.0, 300.0, 100.0, 30.0, 10.0)  # λ, strongest first: each fit starts from the one before
ROTATED = 2048  # more principal axes than these cost more to find than they save


@dataclass(frozen=True, eq=False)
class Linear:
    """coef (D, C) float32, intercept (C,) float32, the penalty λ = alpha they were fitted under, iterations taken."""

    coef: NDArray[np.float32]
    intercept: NDArray[np.float32]
    alpha: float
    n_iter: int = 0

    def logits(self, z: Floats, offset: Floats) -> Floats:
        return np.asarray(offset + z @ self.coef + self.intercept)


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """How `choose_and_fit` chooses λ and where it stops."""

    alphas: Sequence[float] = ALPHAS
    """λ among which one is chosen, strongest first."""
    alpha_prior: float = 300.0
    """λ without data to choose by: the prior on log λ is normal around it with deviation 1."""
    intercept_alpha: float = 0.01
    """The penalty on the intercepts, as a share of λ: it keeps them finite where a class is absent."""
    cv: int = 5
    """Folds."""
    max_cv_rows: int = 5000
    """At most so many training rows choose λ; all of them fit the result."""
    tol: float = 1e-7
    """L-BFGS stops at this relative decrease of the loss."""
    max_iter: int = 300
    """Or after so many iterations; 10 to 100 are taken."""


def choose_and_fit(
    z: Floats,
    offset: Floats,
    labels: Ints,
    settings: Logistic,
    random_state: int,
    weights: NDArray[np.float64] | None = None,
) -> Linear:
    """Minimize Σ_i ω_i −log softmax(offset_i + z_i W + b)[y_i] + λ/2 ‖W‖² + λ/200 ‖b‖², a convex function, by L-BFGS.

    z (N, D) float32, offset (N, C) float32, labels (N,), ω = weights (N,) of mean 1, None for ones. Raises
    TrainingFailed where z or offset are not finite. λ is the most probable given the training rows: it minimizes
    Σ_i −ω_i log P_{−i}(y_i) + ½ (log λ/300)²,  P_{−i} fitted without the fold of row i: the held-out likelihood under a
    log-normal prior on λ. With few rows the prior decides, with many the data do.
    """
    with thread_limits(1, "blas"):  # a second only waits, and on a busy machine for 15 times as long
        columns, axes = _along_principal_axes(z, offset)
        counted = _counted(weights, len(z))
        alpha = _choose_alpha(columns, offset, labels, counted, settings, np.random.default_rng(random_state))
        return _on_all_rows(columns, axes, offset, labels, alpha, settings, weights)


def _choose_alpha(
    columns: Floats, offset: Floats, labels: Ints, counted: Floats, settings: Logistic, generator: np.random.Generator
) -> float:
    rows = np.sort(generator.permutation(len(labels))[: settings.max_cv_rows])
    columns, offset, labels, counted = columns[rows], offset[rows], labels[rows], counted[rows]
    fold = _stratified(labels, min(settings.cv, len(rows)), generator)
    included = (fold[:, None] != np.arange(fold.max() + 1)) * counted[:, None]  # (N, F)
    cost, weights = 0.5 * np.log(np.array(settings.alphas) / settings.alpha_prior) ** 2, None
    for index, alpha in enumerate(settings.alphas):
        weights, _ = _solve(columns, offset, _one_hot(labels, offset), included, alpha, settings, weights)
        for number in range(fold.max() + 1):
            held_out = fold == number
            log_p = log_softmax(offset[held_out] + columns[held_out] @ weights[:, number], axis=1)
            cost[index] -= (counted[held_out] * log_p[np.arange(len(log_p)), labels[held_out]]).sum()
    return float(settings.alphas[int(cost.argmin())])


def _on_all_rows(
    columns: Floats,
    axes: Floats | None,
    offset: Floats,
    labels: Ints,
    alpha: float,
    settings: Logistic,
    weights: NDArray[np.float64] | None = None,
) -> Linear:
    return _fit(columns, axes, offset, _one_hot(labels, offset), _counted(weights, len(columns)), alpha, settings)


def fit_soft_labels(
    z: Floats, targets: Floats, alpha: float, settings: Logistic, weights: NDArray[np.float64] | None = None
) -> Linear:
    """Fit as `choose_and_fit` without an offset, to probabilities of the classes (N, C), under a given λ."""
    offset = np.zeros_like(targets, np.float32)
    with thread_limits(1, "blas"):
        columns, axes = _along_principal_axes(z, offset)
        counted = _counted(weights, len(z))
        return _fit(columns, axes, offset, targets.astype(np.float32), counted, alpha, settings)


def _fit(
    columns: Floats,
    axes: Floats | None,
    offset: Floats,
    targets: Floats,
    counted: Floats,
    alpha: float,
    settings: Logistic,
) -> Linear:
    fits, n_iter = _solve(columns, offset, targets, counted[:, None], alpha, settings)
    solved = fits[:, 0]
    weights = solved[:-1] if axes is None else axes @ solved[:-1]
    return Linear(np.ascontiguousarray(weights), solved[-1].copy(), alpha, n_iter)


def _along_principal_axes(z: Floats, offset: Floats) -> tuple[Floats, Floats | None]:
    """z in its principal axes and a column of ones (N, r + 1), with the axes (D, r); None stands for the identity.

    The minimum lies in the span of the rows. Along these axes the loss is nearly separable, so that
    scaling each by its curvature leaves L-BFGS a fifth of the steps.
    """
    if not (all(np.isfinite(block).all() for block in row_blocks(z)) and np.isfinite(offset).all()):
        raise TrainingFailed("standardized states or similarities became infinite: check the scale of the states")
    axes = None
    if min(z.shape) <= ROTATED:
        axes = principal_axes(z)[1].astype(np.float32)

    def columns(rows: Floats) -> Floats:
        return np.hstack([rows if axes is None else rows @ axes, np.ones((len(rows), 1), np.float32)])

    shape = len(z), (z.shape[1] if axes is None else axes.shape[1]) + 1
    if 4 * shape[0] * shape[1] <= blocks.HELD:
        return columns(z), axes
    return gathered_rows(shape, map(columns, row_blocks(z))), axes


def _solve(
    columns: Floats,
    offset: Floats,
    targets: Floats,
    included: NDArray[np.float32],
    alpha: float,
    settings: Logistic,
    start: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], int]:
    """F independent fits at once, of rows that count included (N, F) each → weights (D + 1, F, C) float32."""
    width, shape = columns.shape[1], (columns.shape[1], included.shape[1], offset.shape[1])
    observed = targets[:, None]  # (N, 1, C)
    share = np.ones((width, 1, 1))
    share[-1] = settings.intercept_alpha
    curvature = 0.1 * np.einsum("nd,nd->d", columns, columns, dtype=np.float64)  # p(1 − p) is at most 1/4
    unit = 1 / np.sqrt(alpha * share + curvature[:, None, None])

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape) * unit
        logits = (columns @ weights.reshape(width, -1).astype(np.float32)).reshape(-1, *shape[1:])
        log_p = log_softmax(logits + offset[:, None], axis=2)  # (N, F, C)
        excess = (np.exp(log_p) - observed) * included[:, :, None]
        gradient = (columns.T @ excess.reshape(len(columns), -1)).reshape(shape) + alpha * share * weights
        loss = 0.5 * alpha * (share * weights**2).sum() - (log_p * observed * included[:, :, None]).sum()
        return float(loss), (gradient * unit).ravel()

    first = np.zeros(shape) if start is None else start / unit
    options = {"maxiter": settings.max_iter, "ftol": settings.tol, "gtol": 1e-3}
    result = minimize(loss_and_gradient, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(result.x.reshape(shape) * unit, np.float32), int(result.nit)


def _counted(weights: NDArray[np.float64] | None, rows: int) -> NDArray[np.float32]:
    """Return how often each row counts."""
    return np.ones(rows, np.float32) if weights is None else weights.astype(np.float32)


def _one_hot(labels: Ints, offset: Floats) -> NDArray[np.float32]:
    return np.eye(offset.shape[1], dtype=np.float32)[labels]


def _stratified(labels: Ints, folds: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Fold of each row: rows sorted by class, random within a class, are dealt to the folds in turn."""
    fold = np.empty(len(labels), np.int64)
    fold[np.lexsort((generator.random(len(labels)), labels))] = np.arange(len(labels)) % folds
    return fold
