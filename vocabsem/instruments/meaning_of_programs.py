"""Whether states at the end of a program's lines have the value of its variable, rather than one like it.

As in Jin and Rinard (Evidence of Meaning in Language Models Trained on Programs, 2023): a linear probe of the value is
compared with a probe of what the value would be if + and − had each other's meaning. Programs are drawn so that both
values are the same function of the tokens up to names: what a probe itself computes helps it as much with either.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Item, Sampling, Space, StudyResult, Value, differ, percentiles
from vocabsem.instruments.one_hot_ridge import ridge_predictions

__all__ = ["meaning_study"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]


def meaning_study(
    spaces: Mapping[int, Sequence[Space]], true: Ints, swapped: Ints, lines: Sequence[str], n: int, sampling: Sampling
) -> StudyResult:
    """Probe the value of the variable after each number of operations.

    Parameters
    ----------
    spaces : mapping of int to sequence of Space
        Vectors of all N programs at the end of a line, by number of operations so far.
    true, swapped : ndarray of shape (N, 1 + k)
        Values after each line, from 0.
    lines : sequence of str
        Of each program.
    n : int
        Programs, the first ones, that probes are trained on.
    sampling : Sampling
        Resamples of the other programs; permutations of the training values.

    Returns
    -------
    StudyResult
        true_accuracy and swapped_accuracy of the probes, and their difference; none of vectors that are all one, as
        those of the same last token in layer 0. The items are the programs that are read
        rightly at the most layers, of the most operations.
    """
    values: list[Value] = []
    rows = sampling.generator(0).integers(len(true) - n, size=(sampling.resamples, len(true) - n))
    generator = sampling.generator(1)
    orders = np.stack([np.arange(n), *(generator.permutation(n) for _ in range(sampling.null_draws))])
    read = np.zeros(len(true) - n)
    for operations, of in sorted(spaces.items(), reverse=True):
        for space in (each for each in of if differ(each.vectors)):
            own, other = (_hits(space.vectors, target[:, operations], n, orders) for target in (true, swapped))
            for metric, hit in (("difference", own - other), ("true_accuracy", own), ("swapped_accuracy", other)):
                null = percentiles(hit[1:].mean(axis=1))
                figure, interval = float(hit[0].mean()), percentiles(hit[0][rows].mean(axis=1))
                unit = f"after {operations} operation" + "s" * (operations != 1)
                values.append(Value(unit, space.layer, space.variant, metric, figure, interval, null, len(true) - n))
            if operations == max(spaces) and space.variant == "state":
                read += own[0]
    best = np.argsort(-read, kind="stable")
    items = [Item("read most often", None, rank, float(read[row]), lines[n + row]) for rank, row in enumerate(best, 1)]
    return StudyResult(tuple(values), tuple(items))


def _hits(vectors: Floats, target: Ints, n: int, orders: Ints) -> Floats:
    """Return which of the programs after the first n a probe reads rightly, with true values and permuted ones."""
    rows = np.asarray(vectors, np.float64)
    centered = rows - rows[:n].mean(axis=0)
    scale = np.maximum(centered[:n].std(axis=0), 1e-9)
    predicted = ridge_predictions(centered[:n] / scale, centered[n:] / scale, target[:n][orders]).test
    return np.asarray(predicted == target[n:], float)
