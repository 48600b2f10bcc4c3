"""Whether the distortion of labels, or what it lacks to k-means, says over data sets which of them can be learned.

The final F1 of a data set is that of a ridge classifier of the states of its last layer. Few data sets are a small
sample: intervals resample data sets, the null permutes their F1, and both are wide.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from vocabsem.instruments.base import Interval, Sampling, Value, percentiles
from vocabsem.instruments.one_hot_ridge import macro_f1, ridge_predictions

__all__ = ["FEWEST", "final_f1", "relations_to_f1"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
FEWEST = 5  # data sets: of fewer no order is rare
PREDICTORS = ("gap", "distortion", "ari", "rate")
ORDERS = 10_000  # of the null, at least: of a hundred orders of few numbers the ends are a matter of luck
DIFFERENT = 3  # data sets of a resample, at least


def final_f1(
    unit: str, layer: int, train: Floats, test: Floats, labels: tuple[Ints, Ints], sampling: Sampling
) -> Value:
    """Return the macro F1 of a ridge classifier on other texts.

    Parameters
    ----------
    unit : str
        Name of the data set.
    layer : int
        Of the states.
    train, test : ndarray of shape (N, d)
        States of training texts and of others.
    labels : tuple of ndarray of shape (N,)
        Classes of both, from 0.
    sampling : Sampling
        Resamples of the other texts; permutations of training labels.

    Returns
    -------
    Value
    """
    (known, true), generator, center = labels, sampling.generator(5), train.mean(axis=0)
    trained = np.stack([known, *(generator.permutation(known) for _ in range(sampling.null_draws))])
    own, other = (np.asarray(rows - center, np.float64) for rows in (train, test))
    predicted = ridge_predictions(own, other, trained).test
    scores = macro_f1(np.broadcast_to(true, predicted.shape), predicted)
    interval = sampling.interval(lambda rows: float(macro_f1(true[None, rows], predicted[:1, rows])[0]), len(true))
    return Value(unit, layer, "state", "f1", float(scores[0]), interval, percentiles(scores[1:]), len(true))


def relations_to_f1(values: Sequence[Value], sampling: Sampling) -> Iterator[Value]:
    """Yield how gap, distortion and ari of each layer, and the rate, go with the final F1 over the data sets.

    Parameters
    ----------
    values : sequence of Value
        Those of rate_distortion_study and final_f1, of all data sets.
    sampling : Sampling
        Resamples of data sets; permutations of their F1.

    Yields
    ------
    Value
        gap_f1, distortion_f1, ari_f1 and rate_f1, Spearman's correlation over the data sets that have the metric; none
        of fewer than five.
    """
    f1 = {value.unit: value.value for value in values if value.metric == "f1"}
    measured: dict[tuple[str, str, int | None], dict[str, float]] = defaultdict(dict)
    for value in values:
        if value.metric in PREDICTORS and value.unit in f1:
            measured[value.metric, value.variant, value.layer][value.unit] = value.value
    for metric in PREDICTORS:
        for (name, variant, layer), of in measured.items():
            if name == metric and len(of) >= FEWEST:
                pairs = np.array([[one, f1[unit]] for unit, one in of.items()])
                yield Value("all data sets", layer, variant, f"{metric}_f1", *_spearman(pairs, sampling), len(of))


def _spearman(pairs: Floats, sampling: Sampling) -> tuple[float, Interval, Interval]:
    """Return the correlation of two columns, its interval and its null; resamples of one or two rows are left out."""
    n, (one, other) = len(pairs), pairs.T
    draws = max(ORDERS, sampling.null_draws)
    resamples = np.sort(sampling.generator(0).integers(n, size=(sampling.resamples, n)), axis=1)
    kept = resamples[(np.diff(resamples, axis=1) > 0).sum(axis=1) + 1 >= DIFFERENT]
    orders = sampling.generator(6).permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
    null = percentiles(_correlations(np.broadcast_to(one, orders.shape), other[orders]))
    return float(_correlations(one[None], other[None])[0]), percentiles(_correlations(one[kept], other[kept])), null


def _correlations(one: Floats, other: Floats) -> Floats:
    """Return Spearman's correlations of rows (B, n), 0 where a side is constant."""
    ranks = np.stack([rankdata(each, axis=1) for each in (one, other)])
    ranks -= ranks.mean(axis=2, keepdims=True)
    norms = np.sqrt((ranks**2).sum(axis=2).prod(axis=0))
    return np.asarray(np.divide(ranks.prod(axis=0).sum(axis=1), norms, out=np.zeros(len(norms)), where=norms > 0))
