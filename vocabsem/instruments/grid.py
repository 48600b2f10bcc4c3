"""How many layers, and how many axes of their states, a classifier needs: F1 by layer, first k axes and kind of axes.

After 2D Matryoshka embeddings (Li et al., 2024) and SortedNet (Valipour et al., 2023), with a model as it is. The axes
of pca are sorted by the variance of the training texts, those of raw are the first coordinates, those of random a
rotation. Ridge regression on one-hot labels classifies; its penalty, and the cheapest cell, are chosen by leave-one-out
predictions of the training texts. The null permutes their labels.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Interval, Item, Sampling, StudyResult, Value, percentiles
from vocabsem.instruments.one_hot_ridge import RidgePredictions, macro_f1, ridge_predictions

__all__ = ["WHOLE_STATES", "cheapest", "grid_study", "speed_up"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
Cells = Mapping[tuple[int, int], RidgePredictions]  # by layer and number of axes
BASES = ("pca", "raw", "random")
RULES = {"fewest axes": (1, 0), "first layer": (0, 1)}  # by which numbers of a cell it is the cheapest
WHOLE_STATES = "all axes, first layer"  # begins the variant of the layer that `layers: auto` takes
MAX_LISTED = 10  # cells of a list


def grid_study(
    unit: str,
    train: Mapping[int, Floats],
    test: Mapping[int, Floats],
    labels: tuple[Ints, Ints],
    *,
    axes: Sequence[int],
    sampling: Sampling,
    tolerance: float = 0.01,
) -> StudyResult:
    """Measure every cell, and find the cheapest that is nearly as good as the best.

    Parameters
    ----------
    unit : str
        Name of the data set.
    train, test : mapping of int to ndarray of shape (N, d)
        States by layer; of training texts and of others.
    labels : tuple of ndarray of shape (N,)
        Classes of both, from 0.
    axes : sequence of int
        Numbers k of axes; all d come last, and are the same for each kind.
    sampling : Sampling
        Resamples of texts; permutations of training labels.
    tolerance : float, default=0.01
        How much F1 a cheaper cell may lose.

    Returns
    -------
    StudyResult
        pca_f1, raw_f1 and random_f1 on the other texts; of the cheapest cell, that with the fewest axes or the first
        layer, cheapest_f1, bytes_saved (share of a state) and layers_saved (share of all), whose intervals and nulls
        choose again; also of the first layer with all axes. The items are the best cells by leave-one-out F1.
    """
    (known, true), depth = labels, max(train)
    generator = sampling.generator(1)
    trained = np.stack([known, *(generator.permutation(known) for _ in range(sampling.null_draws))])
    grids: dict[str, dict[tuple[int, int], RidgePredictions]] = {basis: {} for basis in BASES}
    uncut: dict[tuple[int, int], RidgePredictions] = {}
    for layer, rows in train.items():
        center = rows.mean(axis=0)
        own, other = (np.asarray(each - center, np.float64) for each in (rows, test[layer]))
        if (own**2).sum() <= 1e-12 * (rows.astype(np.float64) ** 2).sum():
            continue  # all texts are one, as those of a template that ends alike are in layer 0
        width = own.shape[1]
        whole = uncut[layer, width] = ridge_predictions(own, other, trained)
        for basis in BASES:
            turn = _axes(basis, own, sampling.generator(2, layer))
            for k in [k for k in axes if k < width]:
                grids[basis][layer, k] = ridge_predictions(own @ turn[:, :k], other @ turn[:, :k], trained)
            grids[basis][layer, width] = whole
    values: list[Value] = []
    items: list[Item] = []
    for basis, cells in grids.items():
        for (layer, k), cell in cells.items():
            values.append(_value(unit, (layer, f"{k} axes", f"{basis}_f1"), cell, true, sampling))
    for basis, cells in grids.items():
        for rule in RULES:
            values += _cheapest_values(unit, (basis, rule), cells, true, depth, sampling, tolerance)
        items += _best(unit, basis, cells)
    values += _cheapest_values(unit, tuple(WHOLE_STATES.split(", ")), uncut, true, depth, sampling, tolerance)
    order = list(dict.fromkeys(value.metric for value in values))
    return StudyResult(tuple(sorted(values, key=lambda value: order.index(value.metric))), tuple(items))


def cheapest(scores: Mapping[tuple[int, int], float], rule: str, tolerance: float = 0.01) -> tuple[int, int]:
    """Return the cheapest cell within the tolerance of the best.

    Parameters
    ----------
    scores : mapping of (int, int) to float
        F1 by layer and number of axes.
    rule : {"fewest axes", "first layer"}
        What is cheap; the other number decides among equals.
    tolerance : float, default=0.01
        How much F1 it may lose.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> cheapest({(3, 8): 0.795, (2, 16): 0.8, (1, 8): 0.7}, "fewest axes")
    (3, 8)
    """
    near = [cell for cell, score in scores.items() if score >= max(scores.values()) - tolerance]
    return min(near, key=lambda cell: tuple(cell[number] for number in RULES[rule]))


def speed_up(unit: str, seconds: Mapping[int, Floats], whole: Floats, sampling: Sampling) -> tuple[Value, ...]:
    """Return how many times as fast the model is that ends at a layer: the median over rounds.

    Parameters
    ----------
    unit : str
        Name of the data set.
    seconds : mapping of int to ndarray of shape (R,)
        Of R rounds, by the layer at which a run ends.
    whole : ndarray of shape (R, 2)
        Of two whole runs in each round; the null is how many times as fast the second is as the first.
    sampling : Sampling
        Resamples of rounds.

    Returns
    -------
    tuple of Value
    """
    rounds = len(whole)
    rows = sampling.generator(4).integers(rounds, size=(sampling.resamples, rounds))

    def over(ratios: Floats) -> tuple[float, Interval]:
        return float(np.median(ratios)), percentiles(np.median(ratios[rows], axis=1))

    null = over(whole[:, 0] / whole[:, 1])[1]
    own = {layer: over(whole.mean(axis=1) / of) for layer, of in seconds.items()}
    return tuple(Value(unit, layer, "runs", "speed_up", *of, null, rounds) for layer, of in own.items())


def _axes(basis: str, centered: Floats, generator: np.random.Generator) -> Floats:
    width = centered.shape[1]
    if basis == "pca":
        return np.asarray(np.linalg.svd(centered, full_matrices=False)[2].T)
    return np.eye(width) if basis == "raw" else np.linalg.qr(generator.standard_normal((width, width)))[0]


def _value(unit: str, at: tuple[int | None, str, str], cell: RidgePredictions, true: Ints, sampling: Sampling) -> Value:
    """Return the F1 of a cell on the other texts; at: layer, variant and metric."""
    n = len(true)
    scores = macro_f1(np.broadcast_to(true, cell.test.shape), cell.test)
    rows = sampling.generator(0).integers(n, size=(sampling.resamples, n))
    interval = percentiles(macro_f1(true[rows], cell.test[0][rows]))
    layer, variant, metric = at
    return Value(unit, layer, variant, metric, float(scores[0]), interval, percentiles(scores[1:]), n)


def _cheapest_values(
    unit: str, of: tuple[str, ...], cells: Cells, true: Ints, depth: int, sampling: Sampling, tolerance: float
) -> Iterator[Value]:
    """Yield the F1 of the cheapest cell and what it saves, chosen by leave-one-out predictions; of: axes and rule."""
    n, width = len(next(iter(cells.values())).labels[0]), max(k for _, k in cells)
    rows = sampling.generator(3).integers(n, size=(sampling.resamples, n))
    scores = {cell: macro_f1(each.labels, each.left_out) for cell, each in cells.items()}
    resampled = {cell: macro_f1(each.labels[0][rows], each.left_out[0][rows]) for cell, each in cells.items()}
    (layer, k), *null = _choices(scores, of[1], tolerance)
    variant = f"{', '.join(of)}: {k}"
    yield _value(unit, (layer, variant, "cheapest_f1"), cells[layer, k], true, sampling)
    again = _choices(resampled, of[1], tolerance)
    for column, (metric, whole) in enumerate((("layers_saved", depth), ("bytes_saved", width))):
        saved = 1 - (layer, k)[column] / whole
        interval, chance = (percentiles(1 - np.array(some)[:, column] / whole) for some in (again, null))
        yield Value(unit, layer, variant, metric, saved, interval, chance, n)


def _choices(scores: Mapping[tuple[int, int], Floats], rule: str, tolerance: float) -> list[tuple[int, int]]:
    """Return the cheapest cell of every draw, by scores (B,) of each cell."""
    draws = len(next(iter(scores.values())))
    return [
        cheapest({cell: float(each[draw]) for cell, each in scores.items()}, rule, tolerance) for draw in range(draws)
    ]


def _best(unit: str, basis: str, cells: Cells) -> Iterator[Item]:
    scores = {cell: float(macro_f1(each.labels[:1], each.left_out[:1])[0]) for cell, each in cells.items()}
    for rank, (layer, k) in enumerate(sorted(scores, key=lambda cell: -scores[cell])[:MAX_LISTED], 1):
        yield Item(f"{unit} cells: {basis}", layer, rank, scores[layer, k], f"{k} axes")
