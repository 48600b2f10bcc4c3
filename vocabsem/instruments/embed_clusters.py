"""Whether clusters of texts are their labels: k-means on vectors of length 1, as many clusters as labels, V-measure.

The V-measure is the harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg, 2007), as text embeddings
are compared by Muennighoff et al. (MTEB, 2023). It is above 0 for clusters of chance, which the null shows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from vocabsem.arrays import unit_rows
from vocabsem.instruments.base import Sampling, Space, Value, differ, percentiles

__all__ = ["cluster_values", "v_measure"]

Ints = NDArray[np.integer]


def cluster_values(
    unit: str, spaces: Sequence[Space], labels: Ints, *, starts: int, sampling: Sampling
) -> Iterator[Value]:
    """Measure the clusters of every space; where all texts are one there is no value.

    Parameters
    ----------
    unit : str
        Name of the texts.
    spaces : sequence of Space
        Vectors of the n texts.
    labels : ndarray of shape (n,)
        Label of each.
    starts : int
        Starts of k-means.
    sampling : Sampling
        Resamples of texts, in clusters that stay, less their bias: a text that is drawn twice agrees with itself;
        permutations of the labels.

    Yields
    ------
    Value
        v_measure of the clusters.
    """
    n, generator = len(labels), sampling.generator(1)
    names, codes = np.unique(labels, return_inverse=True)
    permuted = [generator.permutation(codes) for _ in range(sampling.null_draws)]
    for space in spaces:
        if differ(space.vectors):
            rows = unit_rows(np.asarray(space.vectors, np.float64))
            clusters = KMeans(len(names), n_init=starts, random_state=sampling.seed).fit_predict(rows)
            value, null = v_measure(codes, clusters), percentiles([v_measure(other, clusters) for other in permuted])
            resamples = sampling.generator(0).integers(n, size=(sampling.resamples, n))
            draws = np.array([v_measure(codes[some], clusters[some]) for some in resamples])
            interval = percentiles(np.clip(draws - draws.mean() + value, 0, 1))
            yield Value(unit, space.layer, space.variant, "v_measure", value, interval, null, n)


def v_measure(labels: Ints, clusters: Ints) -> float:
    """Return twice the mutual information over the sum of the entropies.

    Parameters
    ----------
    labels, clusters : ndarray of shape (n,)
        Numbers from 0.

    Returns
    -------
    float
        From 0 to 1; 1 where both are constant.

    Examples
    --------
    >>> round(v_measure(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])), 12)
    1.0
    """
    width = int(clusters.max()) + 1
    shares = np.bincount(labels * width + clusters, minlength=(int(labels.max()) + 1) * width) / len(labels)
    of_labels, of_clusters = (shares.reshape(-1, width).sum(axis=axis) for axis in (1, 0))
    one, other, both = (_entropy(each) for each in (of_labels, of_clusters, shares))
    return 2 * (one + other - both) / (one + other) if one + other else 1.0


def _entropy(shares: NDArray[np.floating]) -> float:
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
