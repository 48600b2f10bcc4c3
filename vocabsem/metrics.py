"""How good probabilities are, and how sure we are of it.

Each figure is a function of sums over examples (hits, log-losses, confusion counts, bin counts), so a bootstrap over
examples is one matrix product of resampling counts (B, N) with those per-example terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError

Floats = NDArray[np.float64]

BINS = 15
SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 counts as this in the log-loss, as in scikit-learn
CELLS = 4_000_000  # entries of the resampling counts held at a time (32 MB)


def evaluate(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """accuracy, macro_f1, nll and ece of probabilities (N, C) against labels (N,) in 0..C-1.

    macro_f1 averages over all C classes; a class that is neither present nor predicted has F1 0. nll is the mean
    log-loss in nats. ece has 15 equal-width bins of the highest probability. Raises DataError on shapes or values
    that are no labels and probabilities.
    """
    y, p = _checked(labels, probabilities)
    return {name: float(values[0]) for name, values in _figures(_Terms(y, p), np.ones((1, len(y)))).items()}


def bootstrap(
    labels: ArrayLike, probabilities: ArrayLike, *, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % percentile interval of each figure of `evaluate`, examples drawn with replacement `resamples` times.

    probabilities (S, N, C) are S seeds on the same examples: the interval is that of the figure's mean over seeds.
    """
    stack = np.asarray(probabilities, np.float64)
    checked = [_checked(labels, p) for p in (stack if stack.ndim == 3 else stack[None])]
    y, terms = checked[0][0], [_Terms(y, p) for y, p in checked]
    generator, found = np.random.default_rng(seed), []
    step = max(1, CELLS // len(y))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = generator.integers(len(y), size=(rows, len(y))) + np.arange(rows)[:, None] * len(y)
        counts = np.bincount(drawn.ravel(), minlength=rows * len(y)).reshape(rows, len(y))
        figures = [_figures(each, counts.astype(np.float64)) for each in terms]
        found.append({name: np.mean([each[name] for each in figures], axis=0) for name in figures[0]})
    joined = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    ends = {name: np.quantile(values, (0.025, 0.975)) for name, values in joined.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def across_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n − 1; 0 for a single value) of one figure over seeds."""
    if len(values) == 0:
        raise DataError("no values to average over seeds")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against accuracy per bin, (bins,) each; both are NaN where count is 0."""

    confidence: Floats
    accuracy: Floats
    count: NDArray[np.int64]


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> Reliability:
    """The reliability diagram of the highest probability, in equal-width bins over [0, 1]."""
    y, p = _checked(labels, probabilities)
    bin_, confidence = _bins(p, bins)
    count = np.bincount(bin_, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            confidence=np.bincount(bin_, confidence, bins) / count,
            accuracy=np.bincount(bin_, p.argmax(1) == y, bins) / count,
            count=count,
        )


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts (C, C): row the label, column the prediction."""
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


class _Terms:
    """What each example adds to the sums: dense columns (N, k), and which cell of a table it falls into."""

    def __init__(self, y: NDArray[np.int64], p: Floats) -> None:
        self.classes = p.shape[1]
        predicted = p.argmax(1)
        self.hit = (predicted == y).astype(np.float64)
        self.loss = -np.log(np.maximum(p[np.arange(len(y)), y], SMALLEST))
        self.of_label = np.eye(self.classes)[y]
        self.of_prediction = np.eye(self.classes)[predicted]
        bin_, confidence = _bins(p, BINS)
        self.gap_of_bin = np.eye(BINS)[bin_] * (self.hit - confidence)[:, None]


def _figures(terms: _Terms, counts: Floats) -> dict[str, Floats]:
    """counts (B, N): how often each example is drawn → each figure (B,)."""
    drawn = counts.sum(1)
    true_positives = counts @ (terms.of_label * terms.hit[:, None])
    occurrences = counts @ (terms.of_label + terms.of_prediction)  # 2·TP + FP + FN
    f1 = np.divide(2 * true_positives, occurrences, out=np.zeros_like(occurrences), where=occurrences > 0)
    return {
        "accuracy": counts @ terms.hit / drawn,
        "macro_f1": f1.mean(1),
        "nll": counts @ terms.loss / drawn,
        "ece": np.abs(counts @ terms.gap_of_bin).sum(1) / drawn,
    }


def _bins(p: Floats, bins: int) -> tuple[NDArray[np.int64], Floats]:
    confidence = p.max(1)
    return np.minimum((confidence * bins).astype(np.int64), bins - 1), confidence


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
