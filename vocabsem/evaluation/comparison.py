"""Paired differences between two methods, on the same examples and the same seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vocabsem.errors import DataError
from vocabsem.evaluation.metrics import Floats
from vocabsem.evaluation.resampling import RESAMPLES, BootstrapSample, resample, resample_seeds

__all__ = ["Difference", "difference", "holm", "paired_bootstrap"]


@dataclass(frozen=True)
class Difference:
    """A metric of one method minus that of another.

    Attributes
    ----------
    value : float
        Mean difference over the seeds, on all examples.
    low, high : float
        Ends of the 95 % interval.
    p : float
        Two-sided p-value.
    """

    value: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    metric: str = "macro_f1",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Return the difference of a metric between two methods, on the same examples and seeds.

    Resamples have as many examples of each class as the data; the interval always holds the difference.

    Parameters
    ----------
    labels : array-like of shape (N,) or (N, L)
        As `resampling.resample` takes them.
    first, second : array-like of shape (S, N, C) or (S, N, L, 2)
        Probabilities of each method; one of them may have a single seed, which is paired with each of the other's.
    metric : str
        A name in `kind_metrics.OF_KIND`.
    resamples : int
        Number of resamples of the examples.
    seed : int
        Seed of the resampling.

    Returns
    -------
    Difference

    Raises
    ------
    DataError
        As `metrics.evaluate` does, and where both have several seeds but not equally many.

    Examples
    --------
    >>> right, wrong = [[[0.9, 0.1], [0.2, 0.8]]], [[[0.1, 0.9], [0.8, 0.2]]]
    >>> paired_bootstrap([0, 1], right, wrong, metric="accuracy", resamples=9).value
    1.0
    """
    one, other = (
        resample(labels, p, metrics=(metric,), resamples=resamples, seed=seed)[metric] for p in (first, second)
    )
    return difference(one, other, seed)


def difference(first: BootstrapSample, second: BootstrapSample, seed: int = 0) -> Difference:
    """Return the difference between two samples that `resample` drew with the same labels, `resamples` and seed.

    The interval holds 95 % of the differences on resampled examples and seeds, and the difference itself; p is the
    smallest level at which such an interval leaves out 0, and never below 2/(B + 1).

    Parameters
    ----------
    first, second : BootstrapSample
        Of S seeds each, or one of them of a single seed.
    seed : int
        Seed of the resampling of seeds.

    Returns
    -------
    Difference

    Raises
    ------
    DataError
        Where both have several seeds but not equally many, or other numbers of resamples.

    Examples
    --------
    >>> from vocabsem.evaluation.resampling import resample
    >>> good, bad = [[[0.9, 0.1], [0.1, 0.9]] * 10], [[[0.9, 0.1], [0.9, 0.1]] * 10]
    >>> samples = [resample([0, 1] * 10, each, metrics=["accuracy"])["accuracy"] for each in (good, bad)]
    >>> difference(*samples).value
    0.5
    """
    seeds = {len(first.values), len(second.values)} - {1}
    if len(seeds) > 1 or len(first.replicates) != len(second.replicates):
        raise DataError(
            f"samples {first.replicates.shape} and {second.replicates.shape} (resamples, seeds) cannot be paired: "
            "score both methods with the same seeds, or one of them with a single seed"
        )
    gaps = BootstrapSample(first.values - second.values, first.replicates - second.replicates)
    value, replicates = float(np.mean(gaps.values)), resample_seeds(gaps.replicates, seed)
    beyond = (replicates * np.sign(value) <= 0).sum()  # on the other side of 0, or at it
    return Difference(value, *gaps.interval(seed), p=min(1.0, 2 * (float(beyond) + 1) / (len(replicates) + 1)))


def holm(p: ArrayLike) -> Floats:
    """Return p-values adjusted for M simultaneous tests (Holm, 1979).

    Parameters
    ----------
    p : array-like of shape (M,)
        P-values of the single tests.

    Returns
    -------
    ndarray of shape (M,)
        Adjusted p-values: those below .05 hold together at 5 %.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    order = values.argsort(kind="stable")
    adjusted = np.empty_like(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
