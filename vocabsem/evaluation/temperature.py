"""One number that makes probabilities as sure as they are right (Guo et al., 2017), from training rows only."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import softmax
from sklearn.model_selection import StratifiedKFold

from vocabsem.arrays import Floats, Ints
from vocabsem.methods.base import Method

__all__ = ["cross_fitted_temperature", "fit_temperature"]

SMALLEST = 1e-12  # a probability of 0 counts as this
MAX_LOG_TEMPERATURE = 30.0  # |log T| is below this


def fit_temperature(
    labels: ArrayLike, logits: ArrayLike, prior: float = 1.0, sample_weight: ArrayLike | None = None
) -> float:
    """Return the T > 0 under which softmax(logits / T) fits best.

    With β = 1/T it minimizes Σ_i −w_i log softmax(β logits_i)[y_i] + prior (β − log β), which is strictly convex in β:
    the log-loss, and a Gamma prior with its mode at 1 that keeps T above 0 where every row is right. No rows give 1.

    Parameters
    ----------
    labels : array of shape (N,)
        Classes 0 to C - 1.
    logits : array of shape (N, C)
        Of the rows.
    prior : float, default=1
        Examples that the belief in temperature 1 is worth.
    sample_weight : array of shape (N,), optional
        w; ones if None.

    Returns
    -------
    float

    Examples
    --------
    >>> fit_temperature([0, 1], [[9.0, 0.0], [9.0, 0.0]]) > 1
    True
    """
    y = np.asarray(labels)
    z = np.asarray(logits, np.float64)
    z = z - z.max(axis=1, keepdims=True)  # (N, C), at most 0
    chosen = z[np.arange(len(y)), y]
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, np.float64)

    def slope(log_beta: float) -> float:
        beta = np.exp(log_beta)
        expected = (softmax(beta * z, axis=1) * z).sum(axis=1)
        return float(weights @ (expected - chosen) * beta + prior * (beta - 1))

    return float(np.exp(-brentq(slope, -MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE, xtol=1e-10)))


def cross_fitted_temperature(
    make: Callable[[], Method],
    X: Floats,
    y: Ints,
    unlabeled: Floats | None,
    *,
    cv: int = 5,
    max_rows: int = 1000,
    random_state: int = 0,
    sample_weight: NDArray[np.float64] | None = None,
) -> float:
    """Return the temperature of a method by its predictions for rows it was not fitted on.

    Parameters
    ----------
    make : callable
        Returns the method unfitted.
    X, y, unlabeled : ndarrays of shapes (N, d), (N,) and (M, d)
        What it will be fitted on.
    cv : int, default=5
        Folds.
    max_rows : int, default=1000
        At most so many rows are dealt into folds, with the classes' shares: a single number needs no more.
    random_state : int, default=0
        Draws and deals them.
    sample_weight : ndarray of shape (N,), optional
        Weights of the rows, in the fits and, divided by their mean, in what is minimized.

    Returns
    -------
    float
        1 where a class has fewer than two rows.

    Examples
    --------
    >>> from vocabsem.methods import Centroid
    >>> X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    >>> cross_fitted_temperature(Centroid, X + 2 * y[:, None], y, X) < 1
    True
    """
    if np.unique(y, return_counts=True)[1].min(initial=len(y)) < 2:
        return 1.0
    rows = _some(y, max_rows, random_state)
    folds = min(cv, int(np.unique(y[rows], return_counts=True)[1].min()))
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=random_state).split(rows, y[rows]))
    methods, parts = [make() for _ in splits], [rows[fitted] for fitted, _ in splits]
    weights = None if sample_weight is None else [sample_weight[p] for p in parts]
    type(methods[0]).fit_together(methods, [X[p] for p in parts], [y[p] for p in parts], [unlabeled] * folds, weights)
    held_out = [rows[held] for _, held in splits]
    answers = [method.predict_proba(X[unseen]) for method, unseen in zip(methods, held_out, strict=True)]
    order, logits = np.concatenate(held_out), np.log(np.maximum(np.concatenate(answers), SMALLEST))
    counted = None if sample_weight is None else sample_weight[order] / sample_weight[order].mean()
    return fit_temperature(y[order], logits, sample_weight=counted)


def _some(y: Ints, max_rows: int, random_state: int) -> Ints:
    """Return indices of at most max_rows rows (and two of each class): the same share of every class."""
    order = np.random.default_rng(random_state).permutation(len(y))
    share = min(1.0, max_rows / len(y))
    kept = [of_class[: max(2, int(share * len(of_class)))] for c in np.unique(y) for of_class in [order[y[order] == c]]]
    return np.sort(np.concatenate(kept))
