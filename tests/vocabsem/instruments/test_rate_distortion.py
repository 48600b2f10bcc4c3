"""Rate and distortion against closed forms, on planted categories, and on noise."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.rate_distortion import distances, rand_index, rate, rate_distortion_study

N, WIDTH = 120, 12
LABELS = np.arange(N) % 3
SAMPLING = Sampling(resamples=100, null_draws=60, seed=0)


def figures(vectors, labels=LABELS):
    result = rate_distortion_study("made", [Space("made", 2, vectors)], labels, starts=3, sampling=SAMPLING)
    return {value.metric: value for value in result.values}, result.items


def test_the_rate_is_the_entropy_of_the_shares():
    labels = np.random.default_rng(0).integers(7, size=500)
    assert rate(labels) == pytest.approx(entropy(np.bincount(labels)))
    assert rate(np.zeros(9, int)) == 0


def test_distances_add_up_as_in_the_analysis_of_variance():
    vectors = np.random.default_rng(1).standard_normal((N, WIDTH))
    centroids = np.stack([vectors[label == LABELS].mean(axis=0) for label in range(3)])
    between = (np.bincount(LABELS)[:, None] * (centroids - vectors.mean(axis=0)) ** 2).sum()
    total = distances(vectors, np.zeros(N, int)).sum()
    assert total == pytest.approx(N * vectors.var(axis=0).sum())
    assert distances(vectors, LABELS).sum() == pytest.approx(total - between)


def test_planted_categories_are_tight_and_k_means_finds_them():
    generator = np.random.default_rng(2)
    spread = np.array([0.1, 0.2, 0.4])[LABELS][:, None]
    vectors = 5 * generator.standard_normal((3, WIDTH))[LABELS] + spread * generator.standard_normal((N, WIDTH))
    values, items = figures(vectors)
    assert values["distortion"].interval[1] < values["distortion"].null[0]
    assert values["gap"].value == pytest.approx(0)
    assert values["ari"].value == 1
    assert values["ari"].interval[0] > values["ari"].null[1]
    assert values["distortion"].value == pytest.approx(
        distances(vectors, LABELS).sum() / (N * vectors.var(axis=0).sum())
    )
    assert [(item.rank, item.text) for item in items] == [(1, "0"), (2, "1"), (3, "2")]


def test_on_noise_every_figure_lies_about_its_null():
    values, _ = figures(np.random.default_rng(3).standard_normal((N, WIDTH)))
    for metric in ("distortion", "gap", "ari"):
        value = values[metric]
        width = value.null[1] - value.null[0]
        assert value.null[0] - width < value.value < value.null[1] + width, value
        assert value.interval[0] <= value.value <= value.interval[1]
    assert values["gap"].value > 0, "k-means is at the frontier"


def test_uneven_labels_cost_less_than_even_ones():
    values, _ = figures(np.random.default_rng(4).standard_normal((N, WIDTH)), (np.arange(N) > 100).astype(int))
    assert values["rate"].interval[1] < values["rate"].null[0]


@pytest.mark.parametrize("same", [0, 1, 0.1, np.float32(0.3), 1e-4])  # of 0.1 the mean is another number
def test_things_that_are_all_one_have_no_figures_but_the_rate(same):
    values, _ = figures(np.full((N, WIDTH), same))
    assert set(values) == {"rate"}


def test_the_index_is_that_of_scikit_learn_under_the_null():
    generator = np.random.default_rng(5)
    draws = [adjusted_rand_score(LABELS, generator.integers(3, size=N)) for _ in range(200)]
    values, _ = figures(generator.standard_normal((N, WIDTH)))
    assert values["ari"].null == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.02)


@pytest.mark.parametrize("classes", [1, 2, 9])
def test_the_adjusted_rand_index_is_that_of_scikit_learn(classes):
    generator = np.random.default_rng(classes)
    for _ in range(20):
        one, other = generator.integers(classes, size=40), generator.integers(5, size=40)
        for clusters in (other, one % 3, one):
            assert rand_index(one, clusters) == pytest.approx(adjusted_rand_score(one, clusters))


def test_the_null_has_the_distortions_of_permuted_labels():
    vectors = np.random.default_rng(6).standard_normal((N, WIDTH)) + 3
    values, _ = figures(vectors)
    generator, total = SAMPLING.generator(1), distances(vectors, np.zeros(N, int)).sum()
    draws = [distances(vectors, LABELS[generator.permutation(N)]).sum() / total for _ in range(SAMPLING.null_draws)]
    assert values["distortion"].null == pytest.approx(np.quantile(draws, [0.025, 0.975]))
