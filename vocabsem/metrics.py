"""How good probabilities are, and how sure we are of it.

Each figure is a function of sums over examples (hits, log-losses, confusion counts, bin counts), so a bootstrap over
examples is one matrix product of resampling counts (B, N) with those per-example terms.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 15
SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 counts as this in the log-loss, as in scikit-learn
CELLS = 4_000_000  # entries of the resampling counts in float64 at a time (32 MB); they rest as uint16
RESAMPLES = 1000


@dataclass(frozen=True)
class Figure:
    """A figure as a function of means over examples.

    terms: labels (N,) and probabilities (N, C) → (N, k); of_means: their means (…, k) → (…).
    """

    terms: Callable[[Ints, Floats], Floats]
    of_means: Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Sample:
    """One figure of S seeds: `values` (S,) on the examples, `drawn` (B, S) on B resamples of them."""

    values: Floats
    drawn: Floats

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """95 % percentile interval of the figure's mean over seeds, examples and seeds both drawn with replacement."""
        means = resample_seeds(self.drawn, seed)
        low, high = np.quantile(means, (0.025, 0.975))
        return float(low), float(high)

    def of_seeds(self, *indices: int) -> "Sample":
        return Sample(self.values[list(indices)], self.drawn[:, list(indices)])


def evaluate(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """accuracy, macro_f1, nll, ece and brier of probabilities (N, C) against labels (N,) in 0..C-1.

    macro_f1 averages over all C classes; a class that is neither present nor predicted has F1 0. nll is the mean
    log-loss in nats. ece has 15 equal-width bins of the highest probability. brier is the mean squared distance of
    the probabilities from certainty of the label, 0 to 2 (Brier, 1950). Raises DataError on shapes or values that are
    no labels and probabilities.
    """
    y, p = _checked(labels, probabilities)
    return {name: float(figure.of_means(figure.terms(y, p).mean(0))) for name, figure in FIGURES.items()}


def resample(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    figures: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Sample]:
    """Each figure (all, if none is named) of probabilities (S, N, C) on `resamples` draws of N of the N examples.

    The S seeds, and whatever is asked with the same N, `resamples` and seed, share the draws.
    """
    stack = np.asarray(probabilities, np.float64)
    checked = [_checked(labels, p) for p in stack]
    wanted = {name: FIGURES[name] for name in figures or FIGURES}
    parts = [figure.terms(y, p) for figure in wanted.values() for y, p in checked]
    columns = np.concatenate(parts, axis=1)  # (N, all terms of all seeds)
    counts, n = _draws(len(columns), resamples, seed), len(columns)
    sums = [counts[rows.start : rows.stop].astype(np.float64) @ columns for rows in _batches(resamples, n)]
    drawn = np.concatenate(sums) / n
    means = np.split(np.vstack([columns.mean(0), drawn]), np.cumsum([part.shape[1] for part in parts])[:-1], axis=1)
    seeds, samples = len(stack), {}
    for place, (name, figure) in enumerate(wanted.items()):
        each = np.stack([figure.of_means(one) for one in means[place * seeds : (place + 1) * seeds]], axis=1)
        samples[name] = Sample(each[0], each[1:])
    return samples


def resample_seeds(values: Floats, seed: int = 0) -> Floats:
    """values (B, S) → the mean over S seeds drawn with replacement, (B,).

    With the examples drawn apart from the seeds this is the bootstrap of crossed factors (Owen, 2007, "The pigeonhole
    bootstrap"), whose intervals are rather too wide than too narrow. A single seed adds nothing.
    """
    picked = np.random.default_rng([seed, 1]).integers(values.shape[1], size=values.shape)
    return np.asarray(np.take_along_axis(values, picked, axis=1).mean(axis=1))


def bootstrap(
    labels: ArrayLike, probabilities: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % interval of each figure of `evaluate`: probabilities (N, C), or (S, N, C) for the mean over S seeds."""
    stack = np.asarray(probabilities, np.float64)
    samples = resample(labels, stack if stack.ndim == 3 else stack[None], resamples=resamples, seed=seed)
    return {name: sample.interval(seed) for name, sample in samples.items()}


def across_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n − 1; 0 for a single value) of one figure over seeds."""
    if len(values) == 0:
        raise DataError("no values to average over seeds")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against accuracy per bin, (15,) each; both are NaN where count is 0."""

    confidence: Floats
    accuracy: Floats
    count: NDArray[np.int64]


def reliability(labels: ArrayLike, probabilities: ArrayLike) -> Reliability:
    """The reliability diagram of the highest probability, in equal-width bins over [0, 1]."""
    y, p = _checked(labels, probabilities)
    bin_, confidence = _bins(p)
    count = np.bincount(bin_, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return Reliability(
            confidence=np.bincount(bin_, confidence, BINS) / count,
            accuracy=np.bincount(bin_, p.argmax(1) == y, BINS) / count,
            count=count,
        )


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts (C, C): row the label, column the prediction."""
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


@lru_cache(maxsize=3)
def _draws(n: int, resamples: int, seed: int) -> NDArray[np.uint16]:
    """How often each of n examples is drawn, (resamples, n). Drawing takes most of the time and serves all methods."""
    generator, counts = np.random.default_rng(seed), np.empty((resamples, n), np.uint16)
    for rows in _batches(resamples, n):
        drawn = generator.integers(n, size=(len(rows), n)) + np.arange(len(rows))[:, None] * n
        counts[rows.start : rows.stop] = np.bincount(drawn.ravel(), minlength=len(rows) * n).reshape(len(rows), n)
    counts.flags.writeable = False
    return counts


def _batches(resamples: int, n: int) -> Iterator[range]:
    step = max(1, CELLS // n)
    return (range(start, min(start + step, resamples)) for start in range(0, resamples, step))


def _hits(y: Ints, p: Floats) -> Floats:
    return np.asarray(p.argmax(1) == y, np.float64)


def _confusion_terms(y: Ints, p: Floats) -> Floats:
    """(N, 2C): true positives of each class, and 2·TP + FP + FN."""
    of_label, of_prediction = np.eye(p.shape[1])[y], np.eye(p.shape[1])[p.argmax(1)]
    return np.concatenate([of_label * of_prediction, of_label + of_prediction], axis=1)


def _macro_f1(means: Floats) -> Floats:
    true_positives, occurrences = np.split(means, 2, axis=-1)
    f1 = np.divide(2 * true_positives, occurrences, out=np.zeros_like(occurrences), where=occurrences > 0)
    return np.asarray(f1.mean(-1))


def _log_losses(y: Ints, p: Floats) -> Floats:
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], SMALLEST))[:, None])


def _gap_of_bin(y: Ints, p: Floats) -> Floats:
    bin_, confidence = _bins(p)
    return np.asarray(np.eye(BINS)[bin_] * (_hits(y, p) - confidence)[:, None])


def _squares(y: Ints, p: Floats) -> Floats:
    return np.asarray(((p - np.eye(p.shape[1])[y]) ** 2).sum(1, keepdims=True))


def _only(means: Floats) -> Floats:
    return means[..., 0]


FIGURES = {
    "accuracy": Figure(lambda y, p: _hits(y, p)[:, None], _only),
    "macro_f1": Figure(_confusion_terms, _macro_f1),
    "nll": Figure(_log_losses, _only),
    "ece": Figure(_gap_of_bin, lambda means: np.asarray(np.abs(means).sum(-1))),
    "brier": Figure(_squares, _only),
}


def _bins(p: Floats) -> tuple[NDArray[np.int64], Floats]:
    confidence = p.max(1)
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1), confidence


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    y: NDArray[Any] = np.asarray(labels)
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or y.shape != p.shape[:1] or len(y) == 0 or y.dtype.kind not in "iu":
        raise DataError(f"labels {y.shape} {y.dtype} and probabilities {p.shape}: expected (N,) integers and (N, C)")
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise DataError(f"labels run from {y.min()} to {y.max()}, expected 0 to {p.shape[1] - 1}")
    if not (p >= 0).all() or not np.allclose(p.sum(1), 1, atol=1e-4):
        raise DataError("probabilities are negative, NaN or do not sum to one in every row")
    return y.astype(np.int64), p
