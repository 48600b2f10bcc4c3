"""Clusters of texts beside their labels: planted groups, noise, vectors of any length."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import v_measure_score

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.embed_clusters import cluster_values, v_measure

N, WIDTH, CLASSES = 60, 12, 3
LABELS = np.arange(N) % CLASSES
SAMPLING = Sampling(resamples=60, null_draws=60, seed=0)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def value_of(vectors, labels=LABELS, sampling=SAMPLING):
    (value,) = cluster_values("made", [Space("mean", 2, vectors)], labels, starts=2, sampling=sampling)
    return value


def planted(noise=0.3, seed=0):
    return 2 * normal(seed, CLASSES, WIDTH)[LABELS] + noise * normal(seed + 1, N, WIDTH)


def test_planted_groups_are_the_clusters():
    value = value_of(planted())
    assert (value.unit, value.layer, value.variant, value.metric, value.n) == ("made", 2, "mean", "v_measure", N)
    assert value.value == pytest.approx(1)
    assert value.interval[0] > value.null[1]
    assert value.null[0] > 0, "clusters of chance have some"


def test_noise_lies_in_its_null_as_often_as_it_says():
    inside = []
    for seed in range(100):
        value = value_of(normal(seed, N, WIDTH), sampling=Sampling(2, 60, seed))
        inside.append(value.null[0] <= value.value <= value.null[1])
    assert np.mean(inside) > 0.9


def test_an_interval_holds_its_value_where_resampled_texts_alone_agree():
    for seed in range(10):
        value = value_of(normal(seed, N, WIDTH))
        assert value.interval[0] <= value.value <= value.interval[1]


def test_groups_of_something_else_are_not_the_labels():
    value = value_of(planted(), labels=np.random.default_rng(3).permutation(LABELS))
    assert value.null[0] <= value.value <= value.null[1]


@pytest.mark.parametrize("seed", range(8))
def test_the_measure_is_that_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    labels, clusters = generator.integers(1 + seed, size=30), generator.integers(1 + seed // 2, size=30)
    assert v_measure(labels, clusters) == pytest.approx(v_measure_score(labels, clusters))


def test_the_interval_resamples_texts_and_the_null_permutes_labels():
    vectors, sampling = planted(noise=4), Sampling(50, 50, 9)
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    clusters = KMeans(CLASSES, n_init=2, random_state=9).fit_predict(rows)
    value, draw = value_of(vectors, sampling=sampling), sampling.generator(0)
    assert value.value == pytest.approx(v_measure_score(LABELS, clusters))
    draws = [v_measure_score(LABELS[some], clusters[some]) for some in (draw.integers(N, size=N) for _ in range(50))]
    moved = draws - np.mean(draws) + value.value
    assert value.interval == pytest.approx(np.quantile(np.clip(moved, 0, 1), [0.025, 0.975]))
    shuffle = sampling.generator(1)
    draws = [v_measure_score(shuffle.permutation(LABELS), clusters) for _ in range(50)]
    assert value.null == pytest.approx(np.quantile(draws, [0.025, 0.975]))


@pytest.mark.parametrize("names", [[2, 0, 1], [10, 20, 30]])
def test_names_of_labels_and_lengths_of_vectors_change_nothing(names):
    vectors = planted(noise=2)
    lengths = np.exp(normal(7, N, 1))
    other = value_of(lengths * vectors, labels=np.array(names)[LABELS])
    assert other.value == pytest.approx(value_of(vectors).value)
    assert other.interval == pytest.approx(value_of(vectors).interval)


def test_texts_that_are_all_one_have_no_value():
    spaces = [Space("mean", 0, np.full((N, WIDTH), 0.1)), Space("mean", 1, planted())]
    values = list(cluster_values("made", spaces, LABELS, starts=1, sampling=SAMPLING))
    assert [value.layer for value in values] == [1]
