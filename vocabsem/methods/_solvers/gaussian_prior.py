"""Gaussian discriminant analysis around a prior prediction, weighed by estimates for rows left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.methods._solvers.gaussian import SharedGaussian
from vocabsem.methods._solvers.left_out import WEIGHTS, choose
from vocabsem.methods._solvers.transformed_rows import Rows


@dataclass(frozen=True, eq=False)
class GaussianFit:
    """Logits are sharpness · prior + z coef + intercept; `held_out` (N, C) are those of its rows, each left out.

    The intercept has slope · log π.
    """

    sharpness: float
    slope: float
    coef: NDArray[np.float64]  # (D, C)
    intercept: NDArray[np.float64]  # (C,)
    held_out: NDArray[np.float64]


def gaussian_around_prior(
    z: Rows,
    labels: Ints,
    prior: Floats,
    weights: Sequence[float] = WEIGHTS,
    *,
    sharpness: float = 0.6,
    deviation: float = 0.5,
) -> GaussianFit:
    """Fit s (p + α (z W + b)) to rows z (N, D) with labels (N,), p their prior (N, C) of unit deviation.

    With class means μ_c and the scatter S within classes, P = D (S + tr(S)/(N − 1) I)⁻¹, w_c = P μ_c,
    b_c = log π_c − ½ μ_cᵀ P μ_c (Wang et al. 2024, arXiv 2402.04087). `choose` takes s and α, one of the weights.
    """
    width = z.shape[1]

    def precision(trace: Floats, rows: Floats) -> tuple[Floats, Floats]:
        return np.full_like(trace, width), trace / np.maximum(rows - 1, 1)

    gaussian = SharedGaussian(z, labels, prior.shape[1])
    (left_out,) = gaussian.left_out([precision])
    _, chosen, slope = choose([left_out], labels, prior, weights, sharpness=sharpness, deviation=deviation)
    coef, intercept = gaussian.fit(precision)
    return GaussianFit(chosen, slope, slope * coef, slope * intercept, chosen * prior + slope * left_out)
