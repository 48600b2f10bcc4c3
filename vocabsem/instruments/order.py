"""Whether vectors of words that have an order lie in it: on a circle, on a line, one step apart.

The position of a word is predicted from those of the others by ridge regression on the Gram matrix. Vectors are
centered on the mean of the others: centered on that of all, they would give away the one that is left out. The null
shuffles the order. The units digit is of Gould et al. (Successor Heads, 2023), the step of Mikolov et al. (2013).
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from vocabsem.instruments.base import Item, Sampling, Space, StudyResult, Value, differ, percentiles
from vocabsem.instruments.order_words import Ordered

__all__ = ["digit_values", "leave_one_out_weights", "order_study"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Numbers = NDArray[np.floating] | NDArray[np.integer]
Pair = tuple[Numbers, Numbers]  # predicted and true, (B, n)


def order_study(spaces: Sequence[Space], sequences: Sequence[Ordered], sampling: Sampling) -> StudyResult:
    """Measure the order of each sequence in every space.

    Parameters
    ----------
    spaces : sequence of Space
        Vectors of all words.
    sequences : sequence of Ordered
        Which of the words have an order.
    sampling : Sampling
        Resamples of words; shuffled orders.

    Returns
    -------
    StudyResult
        Of cycles circular: the mean cosine of the angle between predicted and true position, also of words on a line;
        linear, Spearman of predicted and true position; of lines successor, how often the word nearest to a word plus
        the mean step of others is the next. The items are the words by predicted position.
    """
    values: list[Value] = []
    items: list[Item] = []
    for sequence in sequences:
        n = len(sequence.rows)
        generator = sampling.generator(1)
        orders = np.stack([np.arange(n), *(generator.permutation(n) for _ in range(sampling.null_draws))])
        own = [Space(space.variant, space.layer, space.vectors[sequence.rows]) for space in spaces]
        own = [space for space in own if differ(space.vectors)]
        weights = [leave_one_out_weights(space.vectors, np.arange(n)) for space in own]
        if sequence.period:
            line = Space("line", None, sequence.positions[:, None].astype(np.float64))
            for space, of in zip(
                (line, *own), (leave_one_out_weights(line.vectors, np.arange(n)), *weights), strict=True
            ):
                pair = _angles(of, sequence.positions, sequence.period, orders)
                values.append(_value(sequence.name, space, "circular", pair, _closeness, sampling))
        for space, of in zip(own, weights, strict=True):
            pair = _positions(of, sequence.positions, orders)
            values.append(_value(sequence.name, space, "linear", pair, _spearman, sampling))
            items += _in_order(sequence, space, pair[0][0])
        for space in [] if sequence.period else own:
            pair = _successors(space.vectors, sequence.positions, orders)
            values.append(_value(sequence.name, space, "successor", pair, _share, sampling))
    return StudyResult(tuple(values), tuple(items))


def digit_values(spaces: Sequence[Space], sampling: Sampling) -> Iterator[Value]:
    """Measure whether the digits of the numbers 0 to 99 can be read where the other digit was never seen.

    Parameters
    ----------
    spaces : sequence of Space
        Vectors of the numbers, in order.
    sampling : Sampling
        Resamples of numbers; digits shuffled among the numbers that are left out together.

    Yields
    ------
    Value
        The accuracy units_digit, where a decade is left out at a time, and tens_digit, where a units digit is.
    """
    numbers = np.arange(100)
    for metric, truth, groups in (
        ("units_digit", numbers % 10, numbers // 10),
        ("tens_digit", numbers // 10, numbers % 10),
    ):
        generator = sampling.generator(2)
        shuffled = [_within(truth, groups, generator) for _ in range(sampling.null_draws)]
        digits = np.stack([truth, *shuffled])
        for space in spaces:
            if differ(space.vectors):
                predicted = (leave_one_out_weights(space.vectors, groups) @ np.eye(10)[digits]).argmax(axis=2)
                yield _value("0 to 99", space, metric, (predicted, digits), _share, sampling)


def leave_one_out_weights(vectors: Numbers, groups: Ints) -> Floats:
    """Return the weights with which ridge regression predicts what is left out from the targets of the rest.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        The things.
    groups : ndarray of shape (n,)
        Those of a group are left out together. The penalty is the mean eigenvalue of the others' covariance.

    Returns
    -------
    ndarray of shape (n, n)
        Predictions are these times targets of mean 0; weights of the own group are 0.
    """
    rows, weights = np.asarray(vectors, np.float64), np.zeros((len(vectors), len(vectors)))
    for group in np.unique(groups):
        out = groups == group
        centered = rows - rows[~out].mean(axis=0)
        gram = centered[~out] @ centered[~out].T
        penalty = max(np.trace(gram) / len(gram), np.finfo(np.float64).tiny)
        ridge = gram + penalty * np.eye(len(gram))
        weights[np.ix_(out, ~out)] = np.linalg.solve(ridge, centered[~out] @ centered[out].T).T
    return weights


def _spearman(one: Numbers, other: Numbers) -> Floats:
    """Return the rank correlation of each row of one with that row of the other, (B, n) → (B,); 0 for a constant."""
    ranks = [rankdata(each, axis=1) for each in (one, other)]
    first, second = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    norms = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    products: Floats = (first * second).sum(axis=1)
    return np.asarray(np.divide(products, norms, out=np.zeros_like(products), where=norms > 0))


def _angles(weights: Floats, positions: Ints, period: int, orders: Ints) -> Pair:
    true = 2 * np.pi * positions[orders] / period
    sine, cosine = (np.stack([of(row) - of(true[0]).mean() for row in true]) @ weights.T for of in (np.sin, np.cos))
    return np.arctan2(sine, cosine), true


def _positions(weights: Floats, positions: Ints, orders: Ints) -> Pair:
    true = positions[orders]
    return (true - positions.mean()) @ weights.T, true


def _successors(vectors: Numbers, positions: Ints, orders: Ints) -> Pair:
    """Return which word is nearest to each plus the mean step of pairs that share no word with it and its next."""
    pairs = np.flatnonzero(np.diff(positions) == 1)
    apart = (np.abs(pairs[:, None] - pairs) > 1).astype(np.float64)
    apart /= np.maximum(apart.sum(axis=1, keepdims=True), 1)
    at = np.eye(len(positions))
    queries = at[pairs] + apart @ (at[pairs + 1] - at[pairs])  # (m, n): weights of the words
    centered = np.asarray(vectors - vectors.mean(axis=0), np.float64)
    gram = centered @ centered.T
    grams = gram[orders[:, :, None], orders[:, None, :]]  # (B, n, n)
    scores = 2 * queries @ grams - np.einsum("bii->bi", grams)[:, None]
    scores[:, np.arange(len(pairs)), pairs] = -np.inf
    return scores.argmax(axis=2), np.broadcast_to(pairs + 1, scores.shape[:2])


def _closeness(predicted: Numbers, true: Numbers) -> Floats:
    return np.asarray(np.cos(predicted - true).mean(axis=1))


def _share(predicted: Numbers, true: Numbers) -> Floats:
    return np.asarray((predicted == true).mean(axis=1))


def _value(
    unit: str,
    space: Space,
    metric: str,
    pair: Pair,
    statistic: Callable[[Numbers, Numbers], Floats],
    sampling: Sampling,
) -> Value:
    """Return a value; the first row of the pair is that of the true order, the others those of shuffled ones."""
    scores, n = statistic(*pair), pair[0].shape[1]
    rows = sampling.generator(0).integers(n, size=(sampling.resamples, n))
    interval = percentiles(statistic(pair[0][0][rows], pair[1][0][rows]))
    return Value(unit, space.layer, space.variant, metric, float(scores[0]), interval, percentiles(scores[1:]), n)


def _within(digits: Ints, groups: Ints, generator: np.random.Generator) -> Ints:
    shuffled = digits.copy()
    for group in np.unique(groups):
        shuffled[groups == group] = generator.permutation(digits[groups == group])
    return shuffled


def _in_order(sequence: Ordered, space: Space, predicted: Numbers) -> Iterator[Item]:
    for rank, word in enumerate(np.argsort(predicted), 1):
        score = float(predicted[word])
        yield Item(f"{sequence.name}: {space.variant}", space.layer, rank, score, sequence.words[word])
