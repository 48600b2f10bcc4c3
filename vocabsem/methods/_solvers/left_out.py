"""Weigh a prior and what was learned from labels by estimates for rows left out."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints

WEIGHTS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
LOG_FACTORS = np.linspace(-1.5, 3.0, 31)  # numerical: a grid, finer than the prior


class Choice(NamedTuple):
    """The logits are sharpness · prior + slope · learned, `learned` of that candidate."""

    candidate: int
    sharpness: float
    slope: float


def choose(
    candidates: Iterable[Floats],
    labels: Ints,
    prior: Floats | float,
    weights: Sequence[float] = WEIGHTS,
    *,
    sharpness: float = 0.6,
    deviation: float = 0.5,
) -> Choice:
    """Return the candidate, weight α and sharpness s that make the labels most probable.

    candidates: estimates (N, C) for rows left out, each divided by its deviation ρ; prior: (N, C), of unit deviation.
    Minimizes Σ −log softmax(s (prior + α learned / ρ))[y] + ½ (log s/sharpness)²/deviation²; of equal costs
    the first wins.
    """
    best, result = np.inf, Choice(0, 0.0, 0.0)
    for index, learned in enumerate(candidates):
        scale = float((learned - learned.mean(axis=1, keepdims=True)).std()) or 1.0
        for weight in weights:
            costs = _costs(prior + weight / scale * learned, labels, sharpness, deviation)
            if (lowest := costs.min()) < best - 1e-9:
                chosen = sharpness * float(np.exp(LOG_FACTORS[costs.argmin()]))
                best, result = lowest, Choice(index, chosen, chosen * weight / scale)
    return result


def _costs(logits: Floats, labels: Ints, sharpness: float, deviation: float) -> NDArray[np.float64]:
    """Of each factor of LOG_FACTORS."""
    margins = logits - logits[np.arange(len(labels)), labels][:, None]
    most = margins.max(axis=1)
    below, losses = margins - most[:, None], []
    for factor in sharpness * np.exp(LOG_FACTORS):
        losses.append(factor * most.sum() + np.log(np.exp(factor * below).sum(axis=1)).sum())
    return np.asarray(losses) + 0.5 * (LOG_FACTORS / deviation) ** 2
