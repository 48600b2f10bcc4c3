"""Whether states at the end of a program have the value of its variable, rather than one like it.

As in Jin and Rinard (Evidence of Meaning in Language Models Trained on Programs, 2023): a linear probe of the value is
compared with a probe of what the value would be if + and − had each other's meaning. Programs are drawn so that both
values are the same function of the tokens up to names: what a probe itself computes helps it as much with either.
In the control task (Hewitt and Liang, 2019) every last line has a value drawn at random: probes know it by heart only.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Item, Sampling, Space, StudyResult, Value, differ, percentiles
from vocabsem.instruments.one_hot_ridge import ridge_predictions

__all__ = ["STATE", "meaning_of_programs_study"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
STATE = "state"  # variant whose programs are listed


def meaning_of_programs_study(
    unit: str,
    spaces: Sequence[Space],
    true: Ints,
    swapped: Ints,
    lines: Sequence[str],
    n: int,
    sampling: Sampling,
    *,
    last: Ints | None = None,
) -> StudyResult:
    """Probe the value of the variable at the end of programs.

    Parameters
    ----------
    unit : str
        What the programs are.
    spaces : sequence of Space
        Vectors of all N programs, which are distinct: after a shorter part of them many would be one.
    true, swapped : ndarray of shape (N,)
        Values, from 0.
    lines : sequence of str
        Of each program.
    n : int
        Programs, the first ones, that probes are trained on.
    sampling : Sampling
        Resamples of the other programs; permutations of the training values.
    last : ndarray of shape (N,), optional
        Number of each program's last line, from 0, where control tasks are wanted.

    Returns
    -------
    StudyResult
        true_accuracy and swapped_accuracy of the probes, and their difference; with a control task its accuracy, and
        selectivity, the true accuracy beyond that; none of vectors that are all one, as
        those of the same last token in layer 0. The items are the other programs by how many layers are read rightly.
    """
    values: list[Value] = []
    others = len(true) - n
    rows = sampling.generator(0).integers(others, size=(sampling.resamples, others))
    generator = sampling.generator(1)
    orders = np.stack([np.arange(n), *(generator.permutation(n) for _ in range(sampling.null_draws))])
    read = np.zeros(others)
    task = None if last is None else sampling.generator(2).integers(true.max() + 1, size=last.max() + 1)[last]
    for space in (each for each in spaces if differ(each.vectors)):
        own, other = (_hits(space.vectors, target, n, orders) for target in (true, swapped))
        hits = {"difference": own - other, "true_accuracy": own, "swapped_accuracy": other}
        if task is not None:
            control = _hits(space.vectors, task, n, orders)
            hits |= {"control_accuracy": control, "selectivity": own - control}
        for metric, hit in hits.items():
            interval, null = percentiles(hit[0][rows].mean(axis=1)), percentiles(hit[1:].mean(axis=1))
            values.append(Value(unit, space.layer, space.variant, metric, float(hit[0].mean()), interval, null, others))
        if space.variant == STATE:
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
