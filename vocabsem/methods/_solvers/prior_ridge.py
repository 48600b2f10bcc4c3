"""Ridge regression around a prior prediction; leave-one-out errors weigh how far from it, in closed form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.arrays import Floats, Ints

ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
PRIOR_WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
INTERCEPT_SCALES = (1.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class PriorRidge:
    """What `ridge_with_prior` averages over."""

    alphas: Sequence[float] = ALPHAS
    """λ, beside rows of about unit length."""
    prior_weights: Sequence[float] = PRIOR_WEIGHTS
    """β: what the prior prediction, of unit deviation, adds to a one-hot label."""
    intercept_scales: Sequence[float] = INTERCEPT_SCALES
    """f: what the constant, the last column of z, is multiplied by: the intercept's prior deviation."""
    prior_smoothing: float = 0.02
    """The prior density of β is β + prior_smoothing: without evidence, keep to the prior prediction."""


@dataclass(frozen=True, eq=False)
class PriorRidgeFit:
    """The estimate of y is prior_weight · prior + z weights; `held_out` (N, C) are estimates for its rows."""

    prior_weight: float
    weights: NDArray[np.float32]  # (D, C)
    held_out: NDArray[np.float64]


def ridge_with_prior(z: Floats, prior: Floats, y: Floats, settings: PriorRidge) -> PriorRidgeFit:
    """Fit z (N, D), its last column a constant, to y (N, C), centered one-hot labels, around a prior (N, C).

    All rows may be multiplied by the roots of weights.

    For each β, λ and scale f of the intercept, W minimizes ‖y − β prior − z W‖² + λ‖W / (1, …, 1, f)‖². With H the
    hat matrix of that ridge regression the leave-one-out errors are (1 − H) (y − β prior) / (1 − H_ii), exactly. The
    result is the mean of all fits, weighted by

        (β + prior_smoothing) · (Σ squared leave-one-out errors)^(−N(C − 1)/2),

    a Gaussian likelihood of unknown variance: with few rows the first factor rules, with many the second. The first
    spans a factor of 21: eight rows of two classes outweigh it if the prior little more than doubles the errors.
    """
    both = np.hstack([y, prior]).astype(np.float64)
    constant = z[:, -1].astype(np.float64)
    axes, left, lengths = singular(z)
    projected, of_constant = left.T @ both, left.T @ constant  # (r, 2C), (r,)
    solutions: list[Floats] = []

    def errors() -> Iterator[tuple[float, Floats]]:
        """Yield each β with its leave-one-out errors (N, C), for every λ and f, whose solutions are noted."""
        solutions.clear()
        for alpha in settings.alphas:
            share = lengths**2 / (lengths**2 + alpha)
            missed = both - left @ (share[:, None] * projected)  # (1 − H) both
            alone = constant - left @ (share * of_constant)  # (1 − H) constant
            free = 1 - (left**2) @ share  # 1 − H_ii
            for scale in settings.intercept_scales:  # adds (f² − 1) constant constantᵀ to z zᵀ: an update of rank one
                pull = (scale**2 - 1) / (alpha + (scale**2 - 1) * constant @ alone)
                taken = pull * (constant @ missed)  # (2C,)
                errors_of_both = (missed - np.outer(alone, taken)) / (free - pull * alone**2)[:, None]
                of_y, of_prior = np.split(errors_of_both, 2, axis=1)
                solutions.append((share / lengths)[:, None] * (projected - np.outer(of_constant, taken)))
                yield from ((weight, of_y - weight * of_prior) for weight in settings.prior_weights)

    log_weight = [
        -0.5 * y.size * (1 - 1 / y.shape[1]) * np.log((error**2).sum() + 1e-9) + np.log(beta + settings.prior_smoothing)
        for beta, error in errors()
    ]
    weight = softmax(log_weight)
    held_out = y - sum(w * error for w, (_, error) in zip(weight, errors(), strict=True))  # computed again: not kept
    weight = weight.reshape(len(settings.alphas), len(settings.intercept_scales), len(settings.prior_weights))
    in_axes = np.reshape(solutions, (*weight.shape[:2], len(lengths), 2, -1))  # (alphas, scales, r, 2, C)
    parts = np.stack(
        [weight.sum(axis=2), -(weight @ settings.prior_weights)], axis=2
    )  # of y's solution and of the prior's
    solved = axes @ np.einsum("pfrkc,pfk->frc", in_axes, parts)  # (scales, D, C)
    solved[:, -1] *= np.square(settings.intercept_scales)[:, None]
    return PriorRidgeFit(
        float(weight.sum(axis=(0, 1)) @ settings.prior_weights), solved.sum(axis=0).astype(np.float32), held_out
    )


def balanced_ridge(
    z: Floats, prior: Floats, labels: Ints, settings: PriorRidge, class_balance: float = 0.5
) -> PriorRidgeFit:
    """`ridge_with_prior` of rows z (N, D) with labels (N,): one of a class of n rows weighs n^(−class_balance)."""
    y = np.eye(prior.shape[1])[labels]
    root = y.sum(axis=0)[labels, None] ** (-class_balance / 2)  # √ of a row's weight
    root = (root / np.sqrt((root**2).mean())).astype(np.float32)
    y -= np.average(y, axis=0, weights=root[:, 0] ** 2)
    fit = ridge_with_prior(z * root, prior * root, y * root, settings)
    return PriorRidgeFit(fit.prior_weight, fit.weights, fit.held_out / root)


def singular(z: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Right (D, r) and left (N, r) singular vectors and singular values (r,) of z, from the smaller Gram matrix."""
    wide = len(z) <= z.shape[1]
    squares, vectors = np.linalg.eigh((z @ z.T if wide else z.T @ z).astype(np.float64))
    kept = squares > squares[-1] * 1e-6  # float32 products carry no more
    lengths, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    if wide:
        return (z.T @ vectors.astype(z.dtype)) / lengths, vectors, lengths
    return vectors, (z @ vectors.astype(z.dtype)) / lengths, lengths
