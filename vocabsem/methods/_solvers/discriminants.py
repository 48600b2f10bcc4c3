"""Weights of logits averaged with Gaussian discriminants of the same rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.methods._solvers.directions import deviation
from vocabsem.methods._solvers.gaussian_prior import gaussian_around_prior
from vocabsem.methods._solvers.stacking import sharpen
from vocabsem.methods._solvers.transformed_rows import TransformedRows


@dataclass(frozen=True, kw_only=True)
class Discriminants:
    """How much `with_discriminants` gives to them, and how sure it takes a prediction to be."""

    discriminant_weight: float
    """Their share where rows are many; 0 leaves them out."""
    intercept_scaling: float
    """The constant that is the last column of z."""
    sharpness: float
    """Of the softmax over a prediction of unit deviation, without a label to choose it by."""
    sharpness_deviation: float
    """The prior deviation of its logarithm."""
    class_balance: float
    """A row of a class of n weighs n^(−class_balance), so that a class has the share n^(1 − class_balance)."""


def with_discriminants(
    weights: Floats, held_out: Floats, z: Floats, labels: Ints, prior: Floats, pool: Floats, settings: Discriminants
) -> NDArray[np.float64]:
    """Return weights (D, C) of logits of rows z (N, D), averaged with those of `gaussian_around_prior`.

    Both are brought to the deviation that the first have over the pool (M, D). The second have discriminant_weight
    times (N − C)/N, C classes having labels: the degrees of freedom of the scatter within classes, by rows, none where
    each has one row. held_out (N, C) are the first logits of rows left out, prior (D, C) weights of the prediction that
    discriminants start from. `sharpen` finds a common factor.
    """
    share = settings.discriminant_weight * (1 - len(np.unique(labels)) / len(labels))
    if share == 0:
        return np.asarray(weights, np.float64)
    rows = TransformedRows(z, _without_constant)
    fit = gaussian_around_prior(
        rows, labels, z @ prior, sharpness=settings.sharpness, deviation=settings.sharpness_deviation
    )
    balance = -settings.class_balance * fit.slope * np.log(np.bincount(labels, minlength=prior.shape[1]) + 1)
    intercept = (fit.intercept + balance) / settings.intercept_scaling
    gaussian = np.vstack([fit.coef, intercept]) + fit.sharpness * prior
    scale = _deviation(pool, weights) / _deviation(pool, gaussian)
    average = (1 - share) * weights + share * scale * gaussian
    estimates = (1 - share) * held_out + share * scale * (fit.held_out + balance)
    return np.asarray(average * sharpen(estimates, np.zeros(prior.shape[1]), labels, settings.sharpness_deviation))


def _without_constant(z: Floats) -> Floats:
    return z[:, :-1]


def _deviation(pool: Floats, weights: Floats) -> np.float32:
    """Of the logits of the pool, less each row's mean."""
    logits = pool @ weights.astype(pool.dtype)
    return deviation(logits - logits.mean(axis=1, keepdims=True))
