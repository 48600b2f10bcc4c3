"""How many nats categories cost and how tight they are, beside the partition that k-means finds at the same number.

L = I + βD of Shani et al. (From Tokens to Thoughts): the rate of a partition is I = log N − (1/N) Σ |C| log |C|, its
distortion D the mean squared distance to the centroid, here as a share of the variance.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from vocabsem.instruments.base import Item, Sampling, Space, StudyResult, Value, percentiles

__all__ = ["distances", "rand_index", "rate", "rate_distortion_study"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]


def rate_distortion_study(
    unit: str, spaces: list[Space], labels: Ints, *, starts: int, sampling: Sampling
) -> StudyResult:
    """Measure the partition by labels, and that by k-means with as many clusters, in every space.

    Parameters
    ----------
    unit : str
        What is partitioned.
    spaces : list of Space
        Vectors of the same n things.
    labels : ndarray of shape (n,)
        Category of each.
    starts : int
        Starts of k-means.
    sampling : Sampling
        Resamples of things, with centroids fixed, and of ari less their bias: a thing that is drawn twice agrees with
        itself; permutations of the labels. The null of the rate draws as many categories evenly.

    Returns
    -------
    StudyResult
        rate of the labels; of each space distortion (share of the variance inside categories), gap (that of the labels
        minus that of k-means) and ari (adjusted Rand index of k-means with the labels). The items are the categories by
        their own distortion, the tightest first.
    """
    n, generator = len(labels), sampling.generator(1)
    orders = [generator.permutation(n) for _ in range(sampling.null_draws)]
    categories = len(np.unique(labels))
    even = [rate(generator.integers(categories, size=n)) for _ in orders]
    interval = sampling.interval(lambda rows: rate(labels[rows]), n)
    values = [Value(unit, None, "labels", "rate", rate(labels), interval, percentiles(even), n)]
    items: list[Item] = []
    for space in spaces:
        rows = np.asarray(space.vectors, np.float64)
        values += _figures(unit, space, rows, labels, orders, starts, sampling)
        items += _tightest(unit, space, rows, labels)
    return StudyResult(tuple(values), tuple(items))


def rate(labels: Ints) -> float:
    """Return the rate of a partition, log N − (1/N) Σ |C| log |C|.

    Parameters
    ----------
    labels : ndarray of shape (N,)
        Category of each thing.

    Returns
    -------
    float
        In nats: the entropy of the shares, 0 for one category.

    Examples
    --------
    >>> round(rate(np.array([0, 0, 1, 1])), 4)
    0.6931
    """
    sizes = np.unique(labels, return_counts=True)[1]
    return float(np.log(len(labels)) - (sizes * np.log(sizes)).sum() / len(labels))


def distances(vectors: Floats, labels: Ints) -> Floats:
    """Return the squared distance of each thing to the centroid of its category.

    Parameters
    ----------
    vectors : ndarray of shape (N, d)
        The things.
    labels : ndarray of shape (N,)
        Category of each.

    Returns
    -------
    ndarray of shape (N,)

    Examples
    --------
    >>> distances(np.array([[0.0], [2.0], [3.0]]), np.array([0, 0, 1])).tolist()
    [1.0, 1.0, 0.0]
    """
    codes = np.unique(labels, return_inverse=True)[1]
    members = np.eye(codes.max() + 1)[codes]
    centroids = members.T @ vectors / members.sum(axis=0)[:, None]
    return np.asarray(((vectors - centroids[codes]) ** 2).sum(axis=1))


def rand_index(labels: Ints, clusters: Ints) -> float:
    """Return the adjusted Rand index of two partitions (Hubert and Arabie, 1985).

    Parameters
    ----------
    labels, clusters : ndarray of shape (N,)
        Numbers from 0.

    Returns
    -------
    float
        1 for the same partition, about 0 for unrelated ones.

    Examples
    --------
    >>> rand_index(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    n, width = len(labels), int(clusters.max()) + 1
    table = np.bincount(labels * width + clusters, minlength=(int(labels.max()) + 1) * width).reshape(-1, width)
    both, one, other = (float((each * (each - 1)).sum()) for each in (table, table.sum(axis=1), table.sum(axis=0)))
    chance, most = one * other / (n * (n - 1)), (one + other) / 2
    return (both - chance) / (most - chance) if most != chance else 1.0


def _figures(
    unit: str, space: Space, rows: Floats, labels: Ints, orders: list[Ints], starts: int, sampling: Sampling
) -> Iterator[Value]:
    """Yield distortion, gap and ari of a space, each with permuted labels beside it."""
    n, total = len(labels), distances(rows, np.zeros(len(labels), int))
    # All things are one, up to rounding, as those of a template that ends alike are in layer 0.
    if total.sum() <= 1e-20 * (rows**2).sum():
        return
    codes = np.unique(labels, return_inverse=True)[1]
    clusters = KMeans(int(codes.max()) + 1, n_init=starts, random_state=sampling.seed).fit_predict(rows)
    own, closest = distances(rows, codes), distances(rows, clusters)
    centered = rows - rows.mean(axis=0)
    permuted = [1 - _between(centered, codes[order]) / total.sum() for order in orders]
    frontier = closest.sum() / total.sum()

    def value(metric: str, of: Floats, null: list[float]) -> Value:
        interval = sampling.interval(lambda some: float(of[some].sum() / total[some].sum()), n)
        value = float(of.sum() / total.sum())
        return Value(unit, space.layer, space.variant, metric, value, interval, percentiles(null), n)

    yield value("distortion", own, permuted)
    yield value("gap", own - closest, [each - frontier for each in permuted])
    ari, resamples = rand_index(codes, clusters), sampling.generator(0).integers(n, size=(sampling.resamples, n))
    draws = np.array([rand_index(codes[some], clusters[some]) for some in resamples])
    null = percentiles([rand_index(codes[order], clusters) for order in orders])
    yield Value(unit, space.layer, space.variant, "ari", ari, percentiles(draws - draws.mean() + ari), null, n)


def _between(centered: Floats, codes: Ints) -> float:
    """Return the sum of squares between categories."""
    members = np.eye(codes.max() + 1)[codes]
    return float(((members.T @ centered) ** 2 / members.sum(axis=0)[:, None]).sum())


def _tightest(unit: str, space: Space, rows: Floats, labels: Ints) -> Iterator[Item]:
    mean = max(float(distances(rows, np.zeros(len(labels), int)).mean()), 1e-12)
    own = distances(rows, labels)
    shares = sorted((float(own[labels == label].mean()) / mean, str(label)) for label in np.unique(labels))
    for rank, (share, label) in enumerate(shares, 1):
        yield Item(f"{unit} categories: {space.variant}", space.layer, rank, share, label)
