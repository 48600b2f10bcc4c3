"""Ridge regressions of several labels, each around a prior score of its own, with exact leave-one-out scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.arrays import Floats
from vocabsem.methods._solvers.prior_ridge import PriorRidge, singular

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelRidgeFit:
    """The score of label l is intercept_l + prior_weight_l · prior_l + z weights_l; `held_out` (N, L) are scores."""

    weights: Values  # (D, L)
    prior_weight: Values  # (L,)
    intercept: Values  # (L,)
    held_out: Values


def ridge_by_label(
    z: Floats, prior: Values, y: Values, settings: PriorRidge, row_weights: Values | None = None
) -> LabelRidgeFit:
    """Fit z (N, D) to y (N, L), a column a label, around a prior (N, L).

    For each label, λ and β, b and w minimize ‖y − b − β prior − z w‖² + λ‖w‖². All columns share the singular vectors
    of z without its mean; with H_ii the leverage of a row, its own 1/N for the intercept, leave-one-out errors are
    (1 − H)(y − β prior)/(1 − H_ii), exactly. Of each label the result is the mean of its fits, weighted by

        (β + prior_smoothing) · (Σ squared leave-one-out errors)^(−N/2),

    a Gaussian likelihood of unknown variance. row_weights (N,), of mean 1, multiply a row's squares everywhere; its
    leave-one-out error is still that of a fit without it. It is the problem without weights of rows times their roots.
    """
    root = np.ones((len(z), 1)) if row_weights is None else np.sqrt(row_weights)[:, None]
    labels, betas = y.shape[1], np.asarray(settings.prior_weights, np.float64)
    both = np.hstack([y, prior]).astype(np.float64)
    center = z.mean(axis=0, dtype=np.float64) if row_weights is None else row_weights @ z / len(z)
    means = np.average(both, axis=0, weights=row_weights)
    both, centered = (both - means) * root, z - center.astype(z.dtype)
    if row_weights is not None:
        centered *= root.astype(z.dtype)
    axes, left, lengths = singular(centered)
    projected = left.T @ both  # (r, 2L)
    errors, log_weights = [], []
    for alpha in settings.alphas:
        share = lengths**2 / (lengths**2 + alpha)
        free = 1 - root[:, 0] ** 2 / len(z) - (left**2) @ share  # 1 − H_ii
        error = (both - left @ (share[:, None] * projected)) / free[:, None]
        of_y, of_prior = np.split(error, 2, axis=1)
        squares = (of_y**2).sum(0) - 2 * betas[:, None] * (of_y * of_prior).sum(0)
        squares += betas[:, None] ** 2 * (of_prior**2).sum(0)  # (B, L)
        errors.append(error)
        log_weights.append(-0.5 * len(z) * np.log(squares + 1e-9) + np.log(betas + settings.prior_smoothing)[:, None])
    weight = softmax(np.reshape(log_weights, (-1, labels)), axis=0).reshape(len(errors), len(betas), labels)
    # Of the solutions and errors of y, then of those of the prior: (Λ, 2L).
    parts = np.hstack([weight.sum(axis=1), -np.einsum("kbl,b->kl", weight, betas)])
    missed = sum((part * error for part, error in zip(parts, errors, strict=True)), np.zeros_like(both))
    inverse = [lengths / (lengths**2 + alpha) for alpha in settings.alphas]
    solved = axes @ sum(
        (part * (each[:, None] * projected) for part, each in zip(parts, inverse, strict=True)),
        np.zeros_like(projected),
    )
    weights, prior_weight = solved[:, :labels] + solved[:, labels:], -parts[:, labels:].sum(axis=0)
    intercept = means[:labels] - prior_weight * means[labels:] - center @ weights
    return LabelRidgeFit(weights, prior_weight, intercept, y - (missed[:, :labels] + missed[:, labels:]) / root)


def best_threshold(scores: Values, y: NDArray[np.bool_], weights: Values | None = None) -> float:
    """Return the threshold of scores (N,) with the highest F1 of y (N,), halfway between two scores.

    The highest of several; minus infinity where all rows are best predicted. weights (N,): what a row counts.
    """
    order = np.argsort(-scores, kind="stable")
    counted = np.ones(len(y)) if weights is None else weights[order]
    descending, hits = scores[order], np.cumsum(counted * y[order])
    f1 = 2 * hits / (np.cumsum(counted) + hits[-1])
    ends = np.append(descending[:-1] > descending[1:], True)  # equal scores go together
    best = int(np.where(ends, f1, -1).argmax())
    return -np.inf if best == len(y) - 1 else float((descending[best] + descending[best + 1]) / 2)
