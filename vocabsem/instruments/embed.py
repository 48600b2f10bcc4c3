"""Whether cosines of vectors of documents agree with people, and what typos and shuffled words change.

The documents, and people's similarity of all pairs, are of Lee, Pincombe and Welsh (2005). Intervals resample
documents, as pairs of one document hang together; the null gives each document the vector of another.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from vocabsem.arrays import unit_rows
from vocabsem.instruments.base import Item, Sampling, Space, StudyResult, Value, differ, percentiles

__all__ = ["embed_study", "ndcg", "pair_correlations"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
MAX_LISTED = 10  # pairs at each end of a list
MAX_CELLS = 4_000_000  # documents squared of resamples that are ranked together


def embed_study(
    spaces: Mapping[str, Sequence[Space]],
    perturbed: Mapping[str, Sequence[Space]],
    human: Floats,
    texts: Sequence[str],
    sampling: Sampling,
    *,
    depth: int = 10,
) -> StudyResult:
    """Compare vectors of documents with people, clean and with errors.

    Parameters
    ----------
    spaces : mapping of str to sequence of Space
        Vectors of the n documents, by the name of a group; those that are all one have no values.
    perturbed : mapping of str to sequence of Space
        By the name of the error: of the documents with it, in spaces that are in the first group by variant and layer.
    human : ndarray of shape (n, n)
        Similarity by people.
    texts : sequence of str
        The documents.
    sampling : Sampling
        Resamples and permutations of documents.
    depth : int, default=10
        Nearest documents that ndcg is computed on.

    Returns
    -------
    StudyResult
        spearman of cosines with people; ndcg, of the nearest documents; of documents with errors spearman too, and
        recovered: how often the nearest clean document is the same. The items are the pairs that a space puts nearer,
        or farther apart, than people do.
    """
    n, generator = len(human), sampling.generator(1)
    orders = [generator.permutation(n) for _ in range(sampling.null_draws)]
    varied = {name: [space for space in of if differ(space.vectors)] for name, of in spaces.items()}
    clean = {(space.variant, space.layer): _units(space) for of in varied.values() for space in of}
    values: list[Value] = []
    for name, of in varied.items():
        values += [_spearman(name, space, human, orders, sampling) for space in of]
        values += [_ndcg(name, space, human, orders, sampling, depth) for space in of]
    for name, some in perturbed.items():
        of = [space for space in some if (space.variant, space.layer) in clean]
        values += [_spearman(name, space, human, orders, sampling) for space in of]
        values += [_recovered(name, space, clean[space.variant, space.layer], orders, sampling) for space in of]
    items = [item for of in varied.values() for space in of for item in _farthest(space, human, texts)]
    return StudyResult(tuple(values), tuple(items))


def pair_correlations(cosines: Floats, human: Floats, rows: Ints) -> Floats:
    """Return Spearman's correlations over all pairs of different documents of each resample.

    Parameters
    ----------
    cosines, human : ndarray of shape (n, n)
        Similarities, symmetric.
    rows : ndarray of shape (B, m)
        Documents of each resample; one may come several times.

    Returns
    -------
    ndarray of shape (B,)
        0 where one of them is constant.
    """
    above = np.triu_indices(len(human), 1)
    counts = (rows[:, :, None] == np.arange(len(human))).sum(axis=1)
    parts = np.array_split(counts, max(1, counts.size * len(human) // MAX_CELLS))
    return np.concatenate([_weighted_spearman(cosines[above], human[above], _times(part, above)) for part in parts])


def _times(counts: Ints, above: tuple[Ints, ...]) -> Floats:
    """Return how often each pair is in each resample, (B, P)."""
    one, other = above
    return (counts[:, one] * counts[:, other]).astype(np.float64)


def _weighted_spearman(one: Floats, other: Floats, times: Floats) -> Floats:
    """Return Spearman's correlations of two variables (P,) whose pairs come some times (B, P)."""
    centered = []
    for ranks in (_ranks(one, times), _ranks(other, times)):
        mean = (times * ranks).sum(axis=1, keepdims=True) / np.maximum(times.sum(axis=1, keepdims=True), 1)
        centered.append(ranks - mean)
    norms = np.sqrt(np.prod([(times * each**2).sum(axis=1) for each in centered], axis=0))
    products = (times * centered[0] * centered[1]).sum(axis=1)
    return np.asarray(np.divide(products, norms, out=np.zeros(len(times)), where=norms > 0))


def _ranks(values: Floats, times: Floats) -> Floats:
    """Return the mean ranks, less a half, of values (P,) that come some times (B, P)."""
    order, codes = np.argsort(values, kind="stable"), np.unique(values, return_inverse=True)[1]
    first = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sizes = np.add.reduceat(times[:, order], first, axis=1)
    return np.asarray((np.cumsum(sizes, axis=1) - sizes / 2)[:, codes])


def ndcg(cosines: Floats, human: Floats, depth: int = 10) -> Floats:
    """Return the normalized discounted cumulative gain of each document's nearest, by people's similarity.

    Parameters
    ----------
    cosines, human : ndarray of shape (n, n)
        Similarities; a document is not on its own list.
    depth : int, default=10
        Length of the list.

    Returns
    -------
    ndarray of shape (n,)
        1 for the order of people.
    """
    others = ~np.eye(len(human), dtype=bool)
    gains, scores = (each[others].reshape(len(human), -1) for each in (human, cosines))
    depth = min(depth, gains.shape[1])
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    listed = np.take_along_axis(gains, np.argsort(-scores, axis=1, kind="stable")[:, :depth], axis=1)
    best = -np.sort(-gains, axis=1)[:, :depth]
    return np.asarray(listed @ discounts / np.maximum(best @ discounts, np.finfo(np.float64).tiny))


def _spearman(unit: str, space: Space, human: Floats, orders: Sequence[Ints], sampling: Sampling) -> Value:
    rows = _units(space)
    cosines, every = np.round(rows @ rows.T, 12), np.arange(len(rows))
    resamples = sampling.generator(0).integers(len(every), size=(sampling.resamples, len(every)))
    value, *_ = pair_correlations(cosines, human, every[None])
    null = percentiles([pair_correlations(cosines[np.ix_(order, order)], human, every[None])[0] for order in orders])
    interval = percentiles(pair_correlations(cosines, human, resamples))
    pairs = len(rows) * (len(rows) - 1) // 2
    return Value(unit, space.layer, space.variant, "spearman", float(value), interval, null, pairs)


def _ndcg(unit: str, space: Space, human: Floats, orders: Sequence[Ints], sampling: Sampling, depth: int) -> Value:
    rows = _units(space)
    cosines = rows @ rows.T
    own = ndcg(cosines, human, depth)
    null = percentiles([ndcg(cosines[np.ix_(order, order)], human, depth).mean() for order in orders])
    return _mean(unit, space, "ndcg", own, null, sampling)


def _recovered(unit: str, space: Space, clean: Floats, orders: Sequence[Ints], sampling: Sampling) -> Value:
    nearest = (_units(space) @ clean.T).argmax(axis=1)
    null = percentiles([(nearest == order).mean() for order in orders])
    return _mean(unit, space, "recovered", (nearest == np.arange(len(nearest))).astype(float), null, sampling)


def _mean(unit: str, space: Space, metric: str, of: Floats, null: tuple[float, float], sampling: Sampling) -> Value:
    interval = sampling.interval(lambda rows: float(of[rows].mean()), len(of))
    return Value(unit, space.layer, space.variant, metric, float(of.mean()), interval, null, len(of))


def _farthest(space: Space, human: Floats, texts: Sequence[str]) -> Iterator[Item]:
    rows = _units(space)
    one, other = np.triu_indices(len(rows), 1)
    gap = (rankdata((rows @ rows.T)[one, other]) - rankdata(human[one, other])) / len(one)
    for end, order in (("nearer", np.argsort(-gap)), ("farther", np.argsort(gap))):
        for rank, pair in enumerate(order[:MAX_LISTED], 1):
            text = f"{texts[one[pair]][:60]} … | {texts[other[pair]][:60]} …"
            yield Item(f"documents {end}: {space.variant}", space.layer, rank, float(gap[pair]), text)


def _units(space: Space) -> Floats:
    return np.asarray(unit_rows(np.asarray(space.vectors, np.float64)), np.float64)
