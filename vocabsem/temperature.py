"""One number that makes probabilities as sure as they are right (Guo et al., 2017), from training rows only."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import softmax
from sklearn.model_selection import StratifiedKFold

from vocabsem.methods.base import Floats, Ints, Method

ROWS = 1000  # at most so many training rows are held out in turn: a single number needs no more
PRIOR = 1.0  # examples that the belief in temperature 1 is worth
SMALLEST = 1e-12  # a probability of 0 counts as this
WIDEST = 30.0  # |log T| is below this


def fit_temperature(labels: ArrayLike, logits: ArrayLike) -> float:
    """The T > 0 under which softmax(logits / T) fits best: labels (N,) in 0..C-1, logits (N, C).

    With β = 1/T it minimizes Σ_i −log softmax(β logits_i)[y_i] + PRIOR (β − log β), which is strictly convex in β: the
    log-loss, and a Gamma prior with its mode at 1 that keeps T above 0 where every row is right. No rows give 1.
    """
    y = np.asarray(labels)
    z = np.asarray(logits, np.float64)
    z = z - z.max(axis=1, keepdims=True)  # (N, C), at most 0
    chosen = z[np.arange(len(y)), y]

    def slope(log_beta: float) -> float:
        beta = np.exp(log_beta)
        return float(((softmax(beta * z, axis=1) * z).sum() - chosen.sum()) * beta + PRIOR * (beta - 1))

    return float(np.exp(-brentq(slope, -WIDEST, WIDEST, xtol=1e-10)))


def cross_fitted_temperature(
    make: Callable[[], Method], X: Floats, y: Ints, unlabeled: Floats, *, cv: int = 5, random_state: int = 0
) -> float:
    """The temperature of a method by its answers to rows it was not fitted on.

    X (N, d), y (N,) and unlabeled (M, d) are what the method will be fitted on; `make` gives it unfitted. At most
    ROWS rows, drawn by the seed with the classes' shares, are dealt into folds. 1.0 where a class has fewer than two.
    """
    if np.unique(y, return_counts=True)[1].min(initial=len(y)) < 2:
        return 1.0
    rows = _some(y, random_state)
    folds = min(cv, int(np.unique(y[rows], return_counts=True)[1].min()))
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=random_state).split(rows, y[rows]))
    methods, parts = [make() for _ in splits], [rows[fitted] for fitted, _ in splits]
    type(methods[0]).fit_together(methods, [X[p] for p in parts], [y[p] for p in parts], [unlabeled] * folds)
    held_out = [rows[held] for _, held in splits]
    answers = [method.predict_proba(X[unseen]) for method, unseen in zip(methods, held_out, strict=True)]
    return fit_temperature(y[np.concatenate(held_out)], np.log(np.maximum(np.concatenate(answers), SMALLEST)))


def _some(y: Ints, random_state: int) -> Ints:
    """Indices of at most ROWS rows (and two of each class): the same share of every class."""
    order = np.random.default_rng(random_state).permutation(len(y))
    share = min(1.0, ROWS / len(y))
    kept = [of_class[: max(2, int(share * len(of_class)))] for c in np.unique(y) for of_class in [order[y[order] == c]]]
    return np.sort(np.concatenate(kept))
