"""Commitment: each function against its definition, one example at a time, and what leaves it as it is."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.commitment import auroc, commitment_study, curvature, trace

SEEDS = st.integers(0, 2**32 - 1)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def ways(seed, layers=6, examples=12, width=5, classes=4):
    """States that move a little from layer to layer, and vectors."""
    return normal(seed, layers, examples, width).cumsum(axis=0), normal(seed + 1, classes, width)


def rotation(seed, width=5):
    return np.linalg.qr(normal(seed, width, width))[0]


@given(SEEDS)
def test_a_way_is_that_of_nearest_vectors_layer_by_layer(seed):
    states, vectors = ways(seed)
    traces = trace(states, vectors)
    cosines = 1 - np.stack([cdist(layer, vectors - vectors.mean(axis=0), "cosine") for layer in states])
    first, second = np.sort(cosines, axis=2)[:, :, :-3:-1].transpose(2, 0, 1)
    assume((first - second).min() > 1e-5)  # targets are float32
    for n in range(states.shape[1]):
        cells = [int(row.argmax()) for row in cosines[:, n]]
        assert traces.cells[:, n].tolist() == cells
        assert traces.commit[n] == min(layer for layer in range(6) if len(set(cells[layer:])) == 1)
    np.testing.assert_allclose(traces.margin, first[-1] - second[-1], atol=1e-5)


@given(SEEDS, st.floats(0.1, 10))
def test_a_way_is_the_same_after_rotation_scaling_and_moved_vectors(seed, scale):
    states, vectors = ways(seed)
    turn, own = rotation(seed), trace(states, vectors)
    moved = trace(scale * states @ turn, 3 * (vectors @ turn) + normal(seed + 2, 5))
    np.testing.assert_allclose(moved.margin, own.margin, atol=1e-5)
    sure = own.margin > 1e-4
    np.testing.assert_array_equal(moved.cells[-1, sure], own.cells[-1, sure])
    order = np.random.default_rng(seed).permutation(states.shape[1])
    np.testing.assert_array_equal(trace(states[:, order], vectors).commit, own.commit[order])


def test_a_state_of_zeros_breaks_nothing():
    states, vectors = ways(0)
    states[:, 3] = 0
    traces = trace(states, vectors)
    assert (traces.commit[3], traces.margin[3]) == (0, 0)


@given(SEEDS, st.floats(0.1, 10))
def test_curvature_is_the_mean_angle_and_does_not_depend_on_the_frame(seed, scale):
    states, _ = ways(seed)
    figure = curvature(states)
    for n in range(states.shape[1]):
        steps = np.diff(states[:, n], axis=0)
        angles = [np.arccos(1 - cdist(a[None], b[None], "cosine")[0, 0]) for a, b in pairwise(steps)]
        assert figure[n] == pytest.approx(np.mean(angles))
    np.testing.assert_allclose(curvature(scale * states @ rotation(seed) + 4), figure, atol=1e-6)
    np.testing.assert_allclose(curvature(states[::-1]), figure, atol=1e-6)


def test_figures_do_not_depend_on_the_order_of_the_examples():
    states, anchors = ways(3, examples=60)
    labels, confidence, ids = np.arange(60) % 4, np.random.default_rng(3).uniform(size=60), np.arange(60).astype(str)
    order, means, sampling = np.random.default_rng(4).permutation(60), states.mean(axis=1), Sampling(100, 20, 0)

    def study(rows):
        given_to = (labels[rows], confidence[rows], ids[rows].tolist())
        return commitment_study("made", dict(enumerate(states[:, rows])), means, anchors, *given_to, sampling)

    one, other = study(np.arange(60)), study(order)
    assert [value.value for value in one.values] == pytest.approx([value.value for value in other.values])
    assert [item.score for item in one.items] == [item.score for item in other.items]
    assert len(one.items) == 20
    assert [item.rank for item in one.items] == list(range(1, 21))
    centered = states - states.mean(axis=1, keepdims=True)
    own = trace(centered, anchors)
    errors = own.cells[-1] != labels
    areas = {value.variant: value.value for value in one.values if value.metric == "error_auroc"}
    expected = {
        "commit_layer": roc_auc_score(errors, own.commit),
        "margin": roc_auc_score(errors, -own.margin),
        "curvature": roc_auc_score(errors, curvature(centered)),
        "max_probability": roc_auc_score(errors, -confidence),
    }
    assert areas == pytest.approx(expected, abs=1e-3)  # states are float32


@given(SEEDS, st.integers(1, 39))
def test_the_area_is_the_mann_whitney_statistic(seed, many):
    score = normal(seed, 40).round(1)
    positive = np.arange(40) < many
    expected = mannwhitneyu(score[positive], score[~positive]).statistic / (many * (40 - many))
    figure = auroc(score, positive)
    assert figure == pytest.approx(expected)
    assert auroc(3 * score + 2, positive) == pytest.approx(figure)
    assert auroc(-score, positive) == pytest.approx(1 - figure)
    assert auroc(score, ~positive) == pytest.approx(1 - figure)


def test_a_constant_score_has_an_area_of_one_half():
    assert auroc(np.full(9, 0.1), np.arange(9) < 2) == 0.5
    assert auroc(np.arange(4.0), np.zeros(4, bool)) == 0.5
