"""What single attention heads know of the labels: F1 of a classifier that is given one head's output at the last token.

Ridge regression on one-hot labels classifies, its penalty chosen by leave-one-out error. The best head of a layer, and
of the model, is chosen by leave-one-out predictions of the training texts; the null permutes their labels and chooses
again, so that the best of many heads is compared with the best of as many.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Item, Sampling, StudyResult, Value, differ, percentiles
from vocabsem.instruments.one_hot_ridge import RidgePredictions, macro_f1, ridge_predictions

__all__ = ["heads_study"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
MAX_LISTED = 20  # heads of a list


def heads_study(
    unit: str,
    train: Mapping[int, Floats],
    test: Mapping[int, Floats],
    labels: tuple[Ints, Ints],
    *,
    heads: int,
    sampling: Sampling,
) -> StudyResult:
    """Measure each head by itself, the best of each layer, and all heads of a layer together.

    Parameters
    ----------
    unit : str
        Name of the data set.
    train, test : mapping of int to ndarray of shape (N, H·r)
        Outputs of H heads of size r, side by side, by layer; of training texts and of others.
    labels : tuple of ndarray of shape (N,)
        Classes of both, from 0.
    heads : int
        Number H of heads of a layer.
    sampling : Sampling
        Resamples of texts; permutations of training labels.

    Returns
    -------
    StudyResult
        head_f1 on the other texts of the best head of each layer (its variant has the number) and, without a layer, of
        the model; layer_f1 of all heads of a layer. The items are the best heads by leave-one-out F1.
    """
    known, true = labels
    generator = sampling.generator(1)
    trained = np.stack([known, *(generator.permutation(known) for _ in range(sampling.null_draws))])
    cells: dict[tuple[int, int], RidgePredictions] = {}
    values: list[Value] = []
    for layer, rows in train.items():
        each = np.split(rows, heads, axis=1), np.split(test[layer], heads, axis=1)
        of_layer = {
            (layer, head): _predictions(own, other, trained)
            for head, (own, other) in enumerate(zip(*each, strict=True))
            if differ(own)
        }
        if not of_layer:
            continue
        cells |= of_layer
        values.append(_best(unit, layer, of_layer, true, sampling))
        together = _predictions(rows, test[layer], trained)
        values.append(_value(unit, (layer, f"{heads} heads", "layer_f1"), together.test, true, sampling))
    values.append(_best(unit, None, cells, true, sampling))
    scores = {cell: float(macro_f1(one.labels[:1], one.left_out[:1])[0]) for cell, one in cells.items()}
    ranked = sorted(scores, key=lambda cell: -scores[cell])[:MAX_LISTED]
    items = (Item(f"{unit} heads", at[0], rank, scores[at], f"head {at[1]}") for rank, at in enumerate(ranked, 1))
    order = ("head_f1", "layer_f1")
    return StudyResult(tuple(sorted(values, key=lambda value: order.index(value.metric))), tuple(items))


def _predictions(train: Floats, test: Floats, labels: Ints) -> RidgePredictions:
    center = train.mean(axis=0)
    own, other = (np.asarray(rows - center, np.float64) for rows in (train, test))
    return ridge_predictions(own, other, labels)


def _best(
    unit: str, layer: int | None, cells: Mapping[tuple[int, int], RidgePredictions], true: Ints, sampling: Sampling
) -> Value:
    """Return the F1 of the head that training texts choose, in each draw by the labels of that draw."""
    names = list(cells)
    scores = np.stack([macro_f1(one.labels, one.left_out) for one in cells.values()])  # (heads, 1 + B)
    chosen = scores.argmax(axis=0)  # (1 + B,)
    predicted = np.stack([cells[names[number]].test[draw] for draw, number in enumerate(chosen)])
    at, head = names[chosen[0]]
    variant = f"head {head}" if layer is not None else f"best of {len(cells)}: layer {at}, head {head}"
    return _value(unit, (layer, variant, "head_f1"), predicted, true, sampling)


def _value(unit: str, at: tuple[int | None, str, str], predicted: Ints, true: Ints, sampling: Sampling) -> Value:
    """Return the F1 of predictions (1 + B, M), of which all but the first are the null; at: layer, variant, metric."""
    n = len(true)
    scores = macro_f1(np.broadcast_to(true, predicted.shape), predicted)
    rows = sampling.generator(0).integers(n, size=(sampling.resamples, n))
    interval = percentiles(macro_f1(true[rows], predicted[0][rows]))
    layer, variant, metric = at
    return Value(unit, layer, variant, metric, float(scores[0]), interval, percentiles(scores[1:]), n)
