"""How sure we are that one method is better than another: paired on the same examples and the same seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vocabsem.errors import DataError
from vocabsem.metrics import RESAMPLES, Floats, Sample, resample, resample_seeds


@dataclass(frozen=True)
class Difference:
    """The figure of one method minus that of another, with its 95 % interval and two-sided p."""

    value: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    figure: str = "macro_f1",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """The difference of a figure between probabilities `first` (S, N, C) and `second`, of the same examples and seeds.

    One of them may have a single seed, which then stands beside each of the other's. Raises DataError as `evaluate`
    does, and where both have several seeds but not as many.
    """
    one, other = (
        resample(labels, p, figures=(figure,), resamples=resamples, seed=seed)[figure] for p in (first, second)
    )
    return difference(one, other, seed)


def difference(first: Sample, second: Sample, seed: int = 0) -> Difference:
    """The same of two samples that `metrics.resample` drew alike.

    The interval holds 95 % of the differences on resampled examples and seeds; p is the smallest level at which such
    an interval leaves out 0, and never below 2/(B + 1).
    """
    seeds = {len(first.values), len(second.values)} - {1}
    if len(seeds) > 1 or len(first.drawn) != len(second.drawn):
        raise DataError(
            f"samples {first.drawn.shape} and {second.drawn.shape} (resamples, seeds) cannot be paired: "
            "score both methods with the same seeds, or one of them with a single seed"
        )
    drawn = resample_seeds(first.drawn - second.drawn, seed)
    low, high = np.quantile(drawn, (0.025, 0.975))
    beyond = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Difference(
        value=float(np.mean(first.values - second.values)),
        low=float(low),
        high=float(high),
        p=min(1.0, 2 * (float(beyond) + 1) / (len(drawn) + 1)),
    )


def holm(p: ArrayLike) -> Floats:
    """p (M,) → p adjusted for M questions asked at once (Holm, 1979): below .05 they hold together at 5 %."""
    values = np.asarray(p, np.float64)
    order = values.argsort(kind="stable")
    adjusted = np.empty_like(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
