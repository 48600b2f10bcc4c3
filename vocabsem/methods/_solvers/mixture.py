"""Gaussian classes of one covariance, by expectation maximization from given responsibilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.arrays import Floats
from vocabsem.blocks import block_slices
from vocabsem.methods._solvers.directions import scaled
from vocabsem.methods._solvers.principal_axes import principal_axes


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Where the clusters of `cluster` lie, and how they are found."""

    n_components: int = 64
    """Principal axes, at most."""
    mixture_sharpness: float = 2.0
    """Of the softmax over the prediction that they start from."""
    covariance_shrinkage: float = 0.1
    """Of the common covariance, towards a multiple of the identity."""
    share_weight: float = 1.0
    """Pseudo-rows for each row, spread over the classes equally, when their shares are estimated."""
    mixture_rounds: int = 20
    """Steps of expectation maximization."""


Linear = tuple[NDArray[np.float64], NDArray[np.float64]]  # weights (k, C) and intercepts (C,)


def cluster(z: Floats, starts: Sequence[Floats], settings: Clusters) -> NDArray[np.float32]:
    """Return weights (D, C) of the answer of Gaussian clusters of z (M, D), its last column a constant.

    They start from a prediction (M, C) and keep its classes' names: the mean over several starts, each answer brought
    to unit deviation.
    """
    axes = principal_axes(z[:, :-1])[1][:, -settings.n_components :]
    if axes.size == 0:  # all rows are the same
        return np.zeros((z.shape[1], starts[0].shape[1]), np.float32)
    x = (z[:, :-1] @ axes.astype(z.dtype)).astype(np.float64)
    answers = []
    for prediction in starts:
        coef, intercept = gaussian_mixture(
            x,
            softmax(settings.mixture_sharpness * prediction.astype(np.float64), axis=1),
            np.empty((0, prediction.shape[1])),
            labeled_weight=1.0,
            shrinkage=settings.covariance_shrinkage,
            uniform_weight=settings.share_weight,
            max_iter=settings.mixture_rounds,
        )
        weights = np.vstack([axes @ coef, intercept / z[0, -1]])
        answers.append(scaled(np.asarray(weights - weights.mean(axis=1, keepdims=True), np.float32), z))
    return np.asarray(np.mean(answers, axis=0))


def gaussian_mixture(
    x: Floats,
    responsibilities: Floats,
    given: Floats,
    *,
    labeled_weight: float,
    shrinkage: float,
    uniform_weight: float,
    max_iter: int,
) -> Linear:
    """Return the log-posterior of P(c) ∝ π_c N(x; μ_c, Σ), linear in x but for a constant a row.

    x (M + N, k): rows without labels, then those whose classes are `given` (N, C), one-hot, which weigh
    labeled_weight each; responsibilities (M, C) of the former, to start from. Σ = (1 − γ) Σ̂ + γ tr(Σ̂)/k I, γ the
    shrinkage; uniform_weight pseudo-rows for each row draw π towards equal shares.
    """
    weight = np.append(np.ones(len(responsibilities)), np.full(len(given), labeled_weight))[:, None]
    for _ in range(max_iter):
        coef, intercept = _maximize(x, np.vstack([responsibilities, given]) * weight, shrinkage, uniform_weight)
        responsibilities = softmax(x[: len(responsibilities)] @ coef + intercept, axis=1)
    return coef, intercept


def _maximize(x: Floats, q: Floats, shrinkage: float, uniform_weight: float) -> Linear:
    """Σ⁻¹ μ (k, C) and log π − ½ μᵀ Σ⁻¹ μ (C,), for rows of weighted responsibilities q (M + N, C)."""
    counts, rows = q.sum(axis=0) + 1e-9, q.sum()
    means = q.T @ x / counts[:, None]
    weight = q.sum(axis=1)[:, None]
    products = sum((x[part].T @ (weight[part] * x[part]) for part in block_slices(x)), np.zeros((x.shape[1],) * 2))
    covariance = (products - means.T @ (counts[:, None] * means)) / rows
    ridge = max(np.trace(covariance), 1e-6) / len(covariance)
    covariance = (1 - shrinkage) * covariance + shrinkage * ridge * np.eye(len(covariance))
    coef = np.linalg.solve(covariance, means.T)
    shares = counts / rows + uniform_weight / len(counts)
    return coef, np.log(shares / shares.sum()) - 0.5 * (means * coef.T).sum(axis=1)
