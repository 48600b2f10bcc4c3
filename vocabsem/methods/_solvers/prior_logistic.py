"""Multinomial logistic regression around prior logits, with a penalty and a multiplier of the prior for each class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.methods._solvers.folds import left_out_folds
from vocabsem.methods._solvers.principal_axes import principal_axes

ALPHAS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)  # strongest first: each fit starts from the one before


@dataclass(frozen=True, kw_only=True)
class PriorLogistic:
    """How `fit_around_prior` chooses λ."""

    alphas: Sequence[float] = ALPHAS
    """λ among which one is chosen, strongest first."""
    cv: int = 5
    """Folds."""
    max_leave_one_out: int = 16
    """Up to so many rows each is left out alone."""
    intercept_alpha: float = 0.01
    """The penalty on the intercepts, as a share of λ."""
    tol: float = 1e-9
    """L-BFGS stops at this relative decrease of the loss."""
    max_iter: int = 200
    """Or after so many iterations."""


@dataclass(frozen=True, eq=False)
class Around:
    """The logits are prior · multiplier + z coef + intercept."""

    multiplier: NDArray[np.float64]  # (C,)
    coef: NDArray[np.float64]  # (D, C)
    intercept: NDArray[np.float64]  # (C,)
    alpha: float


def fit_around_prior(
    z: Floats,
    prior: Floats,
    labels: Ints,
    penalties: Floats,
    settings: PriorLogistic,
    *,
    multiplier_alpha: float | None = None,
) -> Around:
    """Fit labels (N,) to z (N, D) around prior logits (N, C); penalties (C,) are of the classes.

    Minimizes Σ −log softmax(a_c prior_c + z w_c + b_c)[y] + λ/2 Σ_c penalty_c ‖w_c‖² + λ/2 intercept_alpha ‖b‖²
    + multiplier_alpha/2 ‖a − 1‖², which is convex; without multiplier_alpha a is 1. λ makes rows left out most
    probable.
    """
    axes = principal_axes(z.astype(np.float64))[1]
    columns = np.hstack([z @ axes, np.ones((len(z), 1))])
    share = np.vstack([np.tile(penalties, (axes.shape[1], 1)), np.full((1, len(penalties)), settings.intercept_alpha)])
    problem = _Problem(columns, prior, labels, share, multiplier_alpha, settings.tol, settings.max_iter)
    fold = left_out_folds(labels, settings.cv, settings.max_leave_one_out)
    losses = np.zeros(len(settings.alphas))
    for held_out in (fold == number for number in np.unique(fold)):
        start = problem.start()
        for index, alpha in enumerate(settings.alphas):
            start = problem.solve(~held_out, alpha, start)
            log_p = log_softmax(problem.logits(held_out, start), axis=1)
            losses[index] -= log_p[np.arange(len(log_p)), labels[held_out]].sum()
    alpha = float(settings.alphas[int(losses.argmin())])
    solved = problem.solve(np.ones(len(z), bool), alpha, problem.start())
    return Around(solved[0], axes @ solved[1:-1], solved[-1], alpha)


@dataclass(frozen=True, eq=False)
class _Problem:
    columns: NDArray[np.float64]  # (N, r + 1)
    prior: Floats
    labels: Ints
    share: NDArray[np.float64]  # (r + 1, C)
    multiplier_alpha: float | None
    tol: float
    max_iter: int

    def start(self) -> NDArray[np.float64]:
        """(r + 2, C): multipliers of 1 in the first row, and nothing learned."""
        return np.vstack([np.ones((1, self.share.shape[1])), np.zeros_like(self.share)])

    def logits(self, rows: NDArray[np.bool_], solved: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.prior[rows] * solved[0] + self.columns[rows] @ solved[1:])

    def solve(self, rows: NDArray[np.bool_], alpha: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
        columns, prior = self.columns[rows], self.prior[rows]
        observed = np.eye(start.shape[1])[self.labels[rows]]
        penalty = np.vstack([np.full((1, start.shape[1]), self.multiplier_alpha or 0.0), alpha * self.share])

        def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            solved = flat.reshape(start.shape)
            log_p = log_softmax(prior * solved[0] + columns @ solved[1:], axis=1)
            excess = np.exp(log_p) - observed
            away = solved - [[1.0]] * (np.arange(len(solved)) == 0)[:, None]
            gradient = np.vstack([(prior * excess).sum(axis=0), columns.T @ excess]) + penalty * away
            if self.multiplier_alpha is None:
                gradient[0] = 0
            return float(0.5 * (penalty * away**2).sum() - (log_p * observed).sum()), gradient.ravel()

        options = {"maxiter": self.max_iter, "ftol": self.tol}
        result = minimize(loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options=options)
        return np.asarray(result.x.reshape(start.shape))
