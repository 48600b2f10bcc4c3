"""Rate, distortion, gap and Rand index from their definitions, and what leaves them as they are."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from scipy.stats import hypergeom
from sklearn.cluster import KMeans
from sklearn.metrics.cluster import contingency_matrix

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.rate_distortion import distances, rate, rate_distortion_study

SEEDS = st.integers(0, 2**32 - 1)
LABELS = arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 5))


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


@given(LABELS)
def test_the_rate_is_the_mutual_information_of_things_and_categories(labels):
    joint = contingency_matrix(np.arange(len(labels)), labels) / len(labels)
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    expected = (joint[joint > 0] * np.log(joint[joint > 0] / outer[joint > 0])).sum()
    assert rate(labels) == pytest.approx(expected, abs=1e-9)
    assert -1e-9 <= rate(labels) <= np.log(len(np.unique(labels))) + 1e-9
    assert rate(7 - labels[::-1]) == pytest.approx(rate(labels), abs=1e-9)
    assert rate(np.repeat(labels, 3)) == pytest.approx(rate(labels), abs=1e-9)


@given(LABELS, SEEDS)
def test_splitting_categories_costs_more_and_lies_tighter(labels, seed):
    vectors = normal(seed, len(labels), 3)
    finer = labels * 2 + np.random.default_rng(seed).integers(2, size=len(labels))
    assert rate(finer) >= rate(labels) - 1e-9
    assert distances(vectors, finer).sum() <= distances(vectors, labels).sum() + 1e-9
    each = np.arange(len(labels))
    assert rate(each) == pytest.approx(np.log(len(labels)))
    assert distances(vectors, each).sum() == pytest.approx(0, abs=1e-9)


@given(LABELS, SEEDS)
def test_distortion_is_half_the_mean_squared_distance_inside_categories(labels, seed):
    vectors = normal(seed, len(labels), 4)
    within = [
        cdist(group, group, "sqeuclidean").sum() / (2 * len(group))
        for group in (vectors[labels == label] for label in np.unique(labels))
    ]
    own = distances(vectors, labels)
    assert own.sum() == pytest.approx(math.fsum(within))
    moved = 2.5 * vectors @ np.linalg.qr(normal(seed, 4, 4))[0] + 1
    np.testing.assert_allclose(distances(moved, labels), 2.5**2 * own, atol=1e-9)
    order = np.random.default_rng(seed).permutation(len(labels))
    np.testing.assert_allclose(distances(vectors[order], labels[order]), own[order], atol=1e-9)


def rand_index(one, other):
    """Adjusted Rand index from its definition: pairs that are together in both, against the hypergeometric mean."""
    together = [labels[:, None] == labels for labels in (one, other)]
    upper = np.triu_indices(len(one), 1)
    a, b = (table[upper] for table in together)
    mean = hypergeom(len(a), a.sum(), b.sum()).mean()
    return ((a & b).sum() - mean) / ((a.sum() + b.sum()) / 2 - mean)


def test_figures_of_a_space_are_those_of_the_definitions():
    labels = np.random.default_rng(1).integers(3, size=60)
    centers, noise = 2 * normal(2, 3, 5), normal(3, 60, 5)
    vectors = centers[labels] + noise
    result = rate_distortion_study("made", [Space("x", 1, vectors)], labels, starts=5, sampling=Sampling(100, 40, 0))
    values = {value.metric: value for value in result.values}
    means = KMeans(3, n_init=5, random_state=0).fit(vectors)
    assert values["ari"].value == pytest.approx(rand_index(labels, means.labels_))
    total = ((vectors - vectors.mean(axis=0)) ** 2).sum()
    gap = values["distortion"].value - means.inertia_ / total
    assert values["gap"].value == pytest.approx(gap, abs=1e-9)
    low, high = values["distortion"].null
    expected = 1 - 2 / 59  # of permuted labels: 1 − (C − 1)/(n − 1)
    assert low < expected < high
    assert [item.score for item in result.items] == sorted(item.score for item in result.items)
    sizes = np.bincount(labels)
    shares = {int(item.text): item.score for item in result.items}
    weighted = sum(sizes[label] * share for label, share in shares.items()) / 60
    assert weighted == pytest.approx(values["distortion"].value)
