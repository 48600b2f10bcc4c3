"""Bootstrap intervals of metrics, over examples and over seeds.

A metric is a function of means over examples, so a bootstrap over examples is one matrix product of resampling counts
(B, N) with the terms of each example. Examples are drawn class by class: each resample has as many of every class as
the data, so that a rare class is in all of them. Examples of several labels each, or of numbers, are drawn from all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.evaluation.kind_metrics import checker_and_metrics
from vocabsem.evaluation.metrics import Floats, Ints

__all__ = ["RESAMPLES", "BootstrapSample", "bootstrap", "resample", "resample_seeds"]

MAX_ENTRIES = 4_000_000  # entries of the resampling counts in float64 at a time (32 MB); they rest as uint16
MAX_CACHED_ENTRIES = 1 << 28  # kept for the next call (512 MB), as drawing takes most time; more are drawn again
RESAMPLES = 1000


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

        Where the mean on all examples lies outside, as a calibration error near 0 does, it is the nearer end.

        Parameters
        ----------
        seed : int
            Seed of the resampling of seeds.

        Returns
        -------
        low, high : float
        """
        value = np.mean(self.values)
        low, high = np.quantile(resample_seeds(self.replicates, seed), (0.025, 0.975))
        return float(min(low, value)), float(max(high, value))

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


def resample(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    metrics: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
    by_class: bool = True,
) -> dict[str, BootstrapSample]:
    """Compute metrics on resamples of the examples, drawn with replacement within each class if they have one each.

    The S seeds share the resamples, as do all calls with the same labels, `resamples` and `seed`.

    Parameters
    ----------
    labels : array-like of shape (N,) or (N, L)
        Integers in 0..C-1, floats, or 1 where an example has the label, else 0.
    probabilities : array-like of shape (S, N, C), (S, N, L, 2) or (S, N)
        Probabilities of S seeds; of labels also 1 where they are predicted, else 0; of floats predicted numbers.
    metrics : sequence of str
        Names in `kind_metrics.OF_KIND`; those of nominal labels, of several, or of numbers, if empty.
    resamples : int
        Number B of resamples.
    seed : int
        Seed of the resampling.
    by_class : bool, default=True
        Draw class by class. False where labels are places of options: these are no classes, and an answer that is
        always the same place would have no interval.

    Returns
    -------
    dict of str to BootstrapSample
        The metrics by name.

    Raises
    ------
    DataError
        If shapes or values are not those of labels and probabilities.

    Examples
    --------
    >>> labels, probabilities = [0, 0, 1, 1], [[[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]]]
    >>> sample = resample(labels, probabilities, metrics=["accuracy"], resamples=100)["accuracy"]
    >>> sample.values.tolist(), sample.replicates.shape
    ([0.75], (100, 1))
    """
    stack = np.asarray(probabilities, np.float64)
    check, wanted = checker_and_metrics(labels, metrics)
    pairs = [check(labels, p) for p in stack]
    needed = [(metric.terms, y, p) for metric in wanted.values() for y, p in pairs]
    widths = np.cumsum([terms(y[:1], p[:1]).shape[1] for terms, y, p in needed])
    columns = np.empty((stack.shape[1], widths[-1]))  # (N, all terms of all seeds)
    for stop, (terms, y, p) in zip(widths, needed, strict=True):
        part = terms(y, p)
        columns[:, stop - part.shape[1] : stop] = part
    of_classes = by_class and pairs[0][0].ndim == 1 and pairs[0][0].dtype.kind == "i"
    classes = pairs[0][0] if of_classes else np.zeros(len(columns), np.int64)
    sums = [counts.astype(np.float64) @ columns for counts in _resampling_counts(classes, resamples, seed)]
    resampled = np.concatenate(sums) / len(columns)
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

    Examples
    --------
    >>> resample_seeds(np.full((3, 5), 0.5)).tolist()
    [0.5, 0.5, 0.5]
    """
    picked = np.random.default_rng([seed, 1]).integers(values.shape[1], size=values.shape)
    return np.asarray(np.take_along_axis(values, picked, axis=1).mean(axis=1))


def bootstrap(
    labels: ArrayLike, probabilities: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each metric of `evaluate`, from resamples with as many examples of each class.

    It always holds the metric itself.

    Parameters
    ----------
    labels : array-like of shape (N,) or (N, L)
        As `resample` takes them.
    probabilities : array-like of shape (N, C), (N, L, 2) or (N,), or of S seeds as `resample` takes them
        Probabilities, or predicted numbers; of S seeds the interval is of the mean over them.
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
    of_seeds = 2 if np.asarray(labels).dtype.kind == "f" else np.ndim(labels) + 2
    samples = resample(labels, stack if stack.ndim == of_seeds else stack[None], resamples=resamples, seed=seed)
    return {name: sample.interval(seed) for name, sample in samples.items()}


def _resampling_counts(y: Ints, resamples: int, seed: int) -> Iterator[NDArray[np.uint16]]:
    """Yield how often each example is drawn, given the labels: some rows of (B, N) at a time."""
    if resamples * len(y) > MAX_CACHED_ENTRIES:
        yield from _draw(y, resamples, seed)
    else:
        counts = _kept_counts(y.tobytes(), resamples, seed)
        yield from (counts[rows.start : rows.stop] for rows in _batches(resamples, len(y)))


@lru_cache(maxsize=3)
def _kept_counts(labels: bytes, resamples: int, seed: int) -> NDArray[np.uint16]:
    counts = np.concatenate(list(_draw(np.frombuffer(labels, np.int64), resamples, seed)))
    counts.flags.writeable = False
    return counts


def _draw(y: Ints, resamples: int, seed: int) -> Iterator[NDArray[np.uint16]]:
    n, order, size = len(y), y.argsort(kind="stable"), np.unique(y, return_counts=True)[1]
    first, size = (np.repeat(each, size) for each in (size.cumsum() - size, size))  # of each example's class, sorted
    generator = np.random.default_rng(seed)
    for rows in _batches(resamples, n):
        picked = first + generator.integers(size, size=(len(rows), n))
        indices = order[picked] + np.arange(len(rows))[:, None] * n
        counts = np.bincount(indices.ravel(), minlength=len(rows) * n)
        yield counts.reshape(len(rows), n).astype(np.uint16)


def _batches(resamples: int, n: int) -> Iterator[range]:
    step = max(1, MAX_ENTRIES // n)
    return (range(start, min(start + step, resamples)) for start in range(0, resamples, step))
