"""Metrics of predicted probabilities, and bootstrap intervals of them.

Each metric is a function of sums over examples (hits, log-losses, confusion counts, bin counts), so a bootstrap over
examples is one matrix product of resampling counts (B, N) with those per-example terms.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError

__all__ = [
    "METRICS",
    "BootstrapSample",
    "Metric",
    "Reliability",
    "bootstrap",
    "confusion",
    "evaluate",
    "mean_and_std",
    "reliability",
    "resample",
    "resample_seeds",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 15
EPSILON = float(np.finfo(np.float64).eps)  # a probability of 0 counts as this in the log-loss, as in scikit-learn
MAX_ENTRIES = 4_000_000  # entries of the resampling counts in float64 at a time (32 MB); they rest as uint16
RESAMPLES = 1000


@dataclass(frozen=True)
class Metric:
    """A metric as a function of means over examples.

    Attributes
    ----------
    terms : callable
        Labels (N,) and probabilities (N, C) → terms of each example (N, k).
    from_means : callable
        Means of the terms over examples (..., k) → the metric (...).
    """

    terms: Callable[[Ints, Floats], Floats]
    from_means: Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class BootstrapSample:
    """One metric of S seeds, on the examples and on B resamples of them.

    Attributes
    ----------
    values : ndarray of shape (S,)
        The metric on all examples.
    replicates : ndarray of shape (B, S)
        The metric on each resample of the examples.
    """

    values: Floats
    replicates: Floats

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % percentile interval of the mean over seeds, with examples and seeds both resampled.

        Parameters
        ----------
        seed : int
            Seed of the resampling of seeds.

        Returns
        -------
        low, high : float
        """
        means = resample_seeds(self.replicates, seed)
        low, high = np.quantile(means, (0.025, 0.975))
        return float(low), float(high)

    def select_seeds(self, *indices: int) -> "BootstrapSample":
        """Return the sample of some seeds alone.

        Parameters
        ----------
        *indices : int
            Positions of the seeds.

        Returns
        -------
        BootstrapSample
        """
        return BootstrapSample(self.values[list(indices)], self.replicates[:, list(indices)])


def evaluate(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Return accuracy, macro_f1, nll, ece and brier of probabilities.

    macro_f1 averages over all C classes; a class that is neither present nor predicted has F1 0. nll is the mean
    log-loss in nats. ece has 15 equal-width bins of the highest probability. brier is the mean squared distance of
    the probabilities from certainty of the label, 0 to 2 (Brier, 1950).

    Parameters
    ----------
    labels : array-like of shape (N,)
        Integers in 0..C-1.
    probabilities : array-like of shape (N, C)
        Rows that sum to one.

    Returns
    -------
    dict of str to float
        The metrics by name.

    Raises
    ------
    DataError
        If shapes or values are not those of labels and probabilities.

    Examples
    --------
    >>> evaluate([0, 1], [[0.9, 0.1], [0.2, 0.8]])["accuracy"]
    1.0
    """
    y, p = _checked(labels, probabilities)
    return {name: float(metric.from_means(metric.terms(y, p).mean(0))) for name, metric in METRICS.items()}


def resample(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    metrics: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, BootstrapSample]:
    """Compute metrics on resamples of the examples, drawn with replacement.

    The S seeds share the resamples, as do all calls with the same N, `resamples` and `seed`.

    Parameters
    ----------
    labels : array-like of shape (N,)
        Integers in 0..C-1.
    probabilities : array-like of shape (S, N, C)
        Probabilities of S seeds.
    metrics : sequence of str
        Names in `METRICS`; all of them if empty.
    resamples : int
        Number B of resamples.
    seed : int
        Seed of the resampling.

    Returns
    -------
    dict of str to BootstrapSample
        The metrics by name.

    Raises
    ------
    DataError
        If shapes or values are not those of labels and probabilities.
    """
    stack = np.asarray(probabilities, np.float64)
    checked = [_checked(labels, p) for p in stack]
    wanted = {name: METRICS[name] for name in metrics or METRICS}
    parts = [metric.terms(y, p) for metric in wanted.values() for y, p in checked]
    columns = np.concatenate(parts, axis=1)  # (N, all terms of all seeds)
    counts, n = _resampling_counts(len(columns), resamples, seed), len(columns)
    sums = [counts[rows.start : rows.stop].astype(np.float64) @ columns for rows in _batches(resamples, n)]
    resampled = np.concatenate(sums) / n
    widths = np.cumsum([part.shape[1] for part in parts])
    means = np.split(np.vstack([columns.mean(0), resampled]), widths[:-1], axis=1)
    seeds, samples = len(stack), {}
    for index, (name, metric) in enumerate(wanted.items()):
        each = np.stack([metric.from_means(one) for one in means[index * seeds : (index + 1) * seeds]], axis=1)
        samples[name] = BootstrapSample(each[0], each[1:])
    return samples


def resample_seeds(values: Floats, seed: int = 0) -> Floats:
    """Return the mean over S seeds drawn with replacement.

    With the examples resampled apart from the seeds this is the bootstrap of crossed factors (Owen, 2007, "The
    pigeonhole bootstrap"), whose intervals are rather too wide than too narrow. A single seed adds nothing.

    Parameters
    ----------
    values : ndarray of shape (B, S)
        A metric on B resamples, of S seeds.
    seed : int
        Seed of the resampling.

    Returns
    -------
    ndarray of shape (B,)
    """
    picked = np.random.default_rng([seed, 1]).integers(values.shape[1], size=values.shape)
    return np.asarray(np.take_along_axis(values, picked, axis=1).mean(axis=1))


def bootstrap(
    labels: ArrayLike, probabilities: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each metric of `evaluate`.

    Parameters
    ----------
    labels : array-like of shape (N,)
        Integers in 0..C-1.
    probabilities : array-like of shape (N, C) or (S, N, C)
        Probabilities, or those of S seeds: then the interval is of the mean over seeds.
    resamples : int
        Number of resamples of the examples.
    seed : int
        Seed of the resampling.

    Returns
    -------
    dict of str to (float, float)
        Lower and upper end by name of the metric.

    Raises
    ------
    DataError
        If shapes or values are not those of labels and probabilities.

    Examples
    --------
    >>> bootstrap([0, 1], [[1.0, 0.0], [0.0, 1.0]], resamples=10)["accuracy"]
    (1.0, 1.0)
    """
    stack = np.asarray(probabilities, np.float64)
    samples = resample(labels, stack if stack.ndim == 3 else stack[None], resamples=resamples, seed=seed)
    return {name: sample.interval(seed) for name, sample in samples.items()}


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation of one metric over seeds.

    Parameters
    ----------
    values : sequence of float
        The metric of each seed.

    Returns
    -------
    mean, std : float
        std divides by n - 1, and is 0 for a single value.

    Raises
    ------
    DataError
        If there are no values.

    Examples
    --------
    >>> mean_and_std([1.0, 2.0, 3.0])
    (2.0, 1.0)
    """
    if len(values) == 0:
        raise DataError("no values to average over seeds")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram: confidence against accuracy in 15 bins.

    Attributes
    ----------
    confidence, accuracy : ndarray of shape (15,)
        Means of each bin; NaN where it is empty.
    count : ndarray of shape (15,)
        Examples in each bin.
    """

    confidence: Floats
    accuracy: Floats
    count: Ints


def reliability(labels: ArrayLike, probabilities: ArrayLike) -> Reliability:
    """Return the reliability diagram of the highest probability, in equal-width bins over [0, 1].

    Parameters
    ----------
    labels : array-like of shape (N,)
        Integers in 0..C-1.
    probabilities : array-like of shape (N, C)
        Rows that sum to one.

    Returns
    -------
    Reliability

    Raises
    ------
    DataError
        If shapes or values are not those of labels and probabilities.

    Examples
    --------
    >>> reliability([0, 1], [[0.9, 0.1], [0.3, 0.7]]).count.sum()
    np.int64(2)
    """
    y, p = _checked(labels, probabilities)
    bin_, confidence = _bins(p)
    count = np.bincount(bin_, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return Reliability(
            confidence=np.bincount(bin_, confidence, BINS) / count,
            accuracy=np.bincount(bin_, p.argmax(1) == y, BINS) / count,
            count=count,
        )


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """Return the confusion counts: row the label, column the prediction.

    Parameters
    ----------
    labels, predicted : array-like of shape (N,)
        Integers in 0..C-1.
    classes : int
        Number C of classes.

    Returns
    -------
    ndarray of shape (C, C), int64

    Examples
    --------
    >>> confusion([0, 1, 1], [0, 1, 0], 2).tolist()
    [[1, 0], [1, 1]]
    """
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


@lru_cache(maxsize=3)
def _resampling_counts(n: int, resamples: int, seed: int) -> NDArray[np.uint16]:
    """Return how often each of n examples is drawn, (resamples, n); kept, as drawing takes most of the time."""
    generator, counts = np.random.default_rng(seed), np.empty((resamples, n), np.uint16)
    for rows in _batches(resamples, n):
        indices = generator.integers(n, size=(len(rows), n)) + np.arange(len(rows))[:, None] * n
        counts[rows.start : rows.stop] = np.bincount(indices.ravel(), minlength=len(rows) * n).reshape(len(rows), n)
    counts.flags.writeable = False
    return counts


def _batches(resamples: int, n: int) -> Iterator[range]:
    step = max(1, MAX_ENTRIES // n)
    return (range(start, min(start + step, resamples)) for start in range(0, resamples, step))


def _hits(y: Ints, p: Floats) -> Floats:
    return np.asarray(p.argmax(1) == y, np.float64)


def _confusion_terms(y: Ints, p: Floats) -> Floats:
    """Return (N, 2C): true positives of each class, and 2·TP + FP + FN."""
    of_label, of_prediction = np.eye(p.shape[1])[y], np.eye(p.shape[1])[p.argmax(1)]
    return np.concatenate([of_label * of_prediction, of_label + of_prediction], axis=1)


def _macro_f1(means: Floats) -> Floats:
    true_positives, occurrences = np.split(means, 2, axis=-1)
    f1 = np.divide(2 * true_positives, occurrences, out=np.zeros_like(occurrences), where=occurrences > 0)
    return np.asarray(f1.mean(-1))


def _log_losses(y: Ints, p: Floats) -> Floats:
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], EPSILON))[:, None])


def _gap_of_bin(y: Ints, p: Floats) -> Floats:
    bin_, confidence = _bins(p)
    return np.asarray(np.eye(BINS)[bin_] * (_hits(y, p) - confidence)[:, None])


def _squares(y: Ints, p: Floats) -> Floats:
    return np.asarray(((p - np.eye(p.shape[1])[y]) ** 2).sum(1, keepdims=True))


def _first_column(means: Floats) -> Floats:
    return means[..., 0]


METRICS = {
    "accuracy": Metric(lambda y, p: _hits(y, p)[:, None], _first_column),
    "macro_f1": Metric(_confusion_terms, _macro_f1),
    "nll": Metric(_log_losses, _first_column),
    "ece": Metric(_gap_of_bin, lambda means: np.asarray(np.abs(means).sum(-1))),
    "brier": Metric(_squares, _first_column),
}


def _bins(p: Floats) -> tuple[Ints, Floats]:
    confidence = p.max(1)
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1), confidence


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    y: NDArray[Any] = np.asarray(labels)
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or y.shape != p.shape[:1] or len(y) == 0 or y.dtype.kind not in "iu":
        raise DataError(f"labels {y.shape} {y.dtype} and probabilities {p.shape}: expected (N,) integers and (N, C)")
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise DataError(f"labels run from {y.min()} to {y.max()}, expected 0 to {p.shape[1] - 1}")
    if not (p >= 0).all() or not np.allclose(p.sum(1), 1, atol=1e-4):
        raise DataError("probabilities are negative, NaN or do not sum to one in every row")
    return y.astype(np.int64), p
