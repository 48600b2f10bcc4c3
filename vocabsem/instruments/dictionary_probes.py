"""Probes of a few labeled texts on a few features, beside the whole state and its coordinates.

Features, or coordinates, are chosen by the variance of their class means among the labeled texts, in units of their
spread there; ridge regression on one-hot labels classifies. The null permutes these labels, and chooses anew.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Sampling, Value, percentiles
from vocabsem.instruments.one_hot_ridge import macro_f1, ridge_predictions

__all__ = ["DENSE", "probe_values", "select_features"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
SPARSE = (1, 5)  # features of a probe
DENSE = "states"  # what is also read whole


def probe_values(
    unit: str,
    layer: int,
    given: Mapping[str, tuple[Floats, Floats]],
    labels: tuple[Ints, Ints],
    shots: Sequence[int],
    repeats: int,
    sampling: Sampling,
) -> Iterator[Value]:
    """Yield the macro F1 of probes: means over draws of the labeled texts.

    Parameters
    ----------
    unit : str
        Name of the data set.
    layer : int
        Of the states.
    given : mapping of str to tuple of ndarray of shape (N, m)
        Numbers of training texts and of others, by name; those of `states` are also read whole.
    labels : tuple of ndarray of shape (N,)
        Classes of both, from 0.
    shots : sequence of int
        Labeled texts a class; all of a class that has fewer.
    repeats : int
        Draws of these.
    sampling : Sampling
        Resamples of the other texts; permutations of the labels.

    Yields
    ------
    Value
        probe_f1; the variant has shots and features.
    """
    known, true = labels
    rows = sampling.generator(0).integers(len(true), size=(sampling.resamples, len(true)))
    for count in shots:
        draws = [_shots(known, count, sampling.generator(4, count, draw)) for draw in range(repeats)]
        for name, (train, test) in given.items():
            for k in (*SPARSE, None) if name == DENSE else SPARSE:
                scored = [_predicted(train[labeled], test, known[labeled], k, sampling) for labeled in draws]
                own = np.stack([each[0] for each in scored])  # (repeats, M)
                value = float(macro_f1(np.broadcast_to(true, own.shape), own).mean())
                resampled = np.mean([macro_f1(true[rows], one[rows]) for one in own], axis=0)
                chance = np.mean([macro_f1(np.broadcast_to(true, each[1:].shape), each[1:]) for each in scored], axis=0)
                of = "coordinate" if name == DENSE else "feature"
                what = "whole" if k is None else f"1 {of}" if k == 1 else f"{k} {of}s"
                ends = percentiles(resampled), percentiles(chance)
                yield Value(unit, layer, f"{name}, {what}, {count} shots", "probe_f1", value, *ends, len(true))


def select_features(rows: Floats, labels: Ints, k: int) -> Ints:
    """Return the k columns whose class means vary most, as a share of the column's variance.

    Parameters
    ----------
    rows : ndarray of shape (N, m)
        Numbers of labeled texts.
    labels : ndarray of shape (N,)
        Their classes.
    k : int
        How many columns.

    Returns
    -------
    ndarray of shape (k,)
        The best first.

    Examples
    --------
    >>> select_features(np.array([[0.0, 1], [1, 1], [0, 5], [1, 5]]), np.array([0, 0, 1, 1]), 1).tolist()
    [1]
    """
    center = rows.mean(axis=0)
    away = np.stack([rows[labels == label].mean(axis=0) - center for label in np.unique(labels)])
    sizes = np.unique(labels, return_counts=True)[1]
    between, whole = sizes @ away**2, ((rows - center) ** 2).sum(axis=0)
    active = (rows != 0).mean(axis=0)  # of equals that which is active more often
    score = np.divide(between, whole + 1e-3 * whole.max(), out=np.zeros_like(between), where=whole > 0)
    return np.asarray(np.lexsort((-active, -score))[:k])


def _predicted(train: Floats, test: Floats, labels: Ints, k: int | None, sampling: Sampling) -> Ints:
    """Return classes (1 + B, M) of the test rows by true labels and by permuted ones."""
    generator = sampling.generator(5, len(labels))
    trained = np.stack([labels, *(generator.permutation(labels) for _ in range(sampling.null_draws))])
    if k is None:
        return ridge_predictions(train - train.mean(axis=0), test - train.mean(axis=0), trained).test
    predicted = []
    for given in trained:
        columns = select_features(train, given, k)
        center = train[:, columns].mean(axis=0)
        predicted.append(ridge_predictions(train[:, columns] - center, test[:, columns] - center, given[None]).test[0])
    return np.stack(predicted)


def _shots(labels: Ints, count: int, generator: np.random.Generator) -> Ints:
    return np.concatenate(
        [generator.permutation(np.flatnonzero(labels == label))[:count] for label in np.unique(labels)]
    )
