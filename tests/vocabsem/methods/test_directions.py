"""What the vocabulary says of each class, and how predictions of it are weighed."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import Ridge
from sklearn.utils.class_weight import compute_sample_weight

from tests.vocabsem.method_data import CLASSES, make_space, make_states
from vocabsem.methods._solvers.directions import KINDS, directions, logits_of
from vocabsem.methods._solvers.prior_ridge import PriorRidge, balanced_ridge, ridge_with_prior
from vocabsem.methods._solvers.stacking import Stacking, weigh

SETTINGS = Stacking(stacking_weights=(0.2, 0.5), stacking_alpha=15.0, stacking_shots=0.0, sharpness_deviation=0.5)


@pytest.mark.parametrize("targets", KINDS)
def test_directions_add_up_to_zero(targets):
    rows = directions(make_space(), targets, 0)
    assert rows.shape == make_space().head.shape
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.sum(0), 0, atol=1e-6)


def test_both_is_the_sum_of_anchors_and_head_rows_whatever_their_length():
    space = make_space()
    longer = type(space)(7 * space.anchors, space.head / 3, space.bias)
    both = directions(longer, "both", 0)
    np.testing.assert_allclose(both, directions(space, "anchors", 0) + directions(space, "head", 0), atol=1e-6)
    assert not directions(space, "none", 0).any()


def test_products_with_head_rows_are_those_of_batch_calibration_but_for_a_factor():
    """Logits less each class's mean over the texts, and each text's over the classes, of unit deviation."""
    space, (states, _) = make_space(), make_states(n=50)
    mean, scale = states.mean(0), 3 * states.std(0)
    logits = space.label_logits(states)
    expected = logits - logits.mean(0) - logits.mean(1, keepdims=True) + logits.mean()
    result = logits_of(space.head, (states - mean) / scale, scale)
    np.testing.assert_allclose(result, expected / expected.std(), atol=1e-5)


def test_random_directions_are_drawn_by_their_seed():
    one, again, other = (directions(make_space(), "random", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def test_rows_of_equal_classes_weigh_alike():
    states, labels = make_states(n=30)
    z = np.hstack([states / 30, np.full((30, 1), 0.3)]).astype(np.float32)
    prior = np.random.default_rng(0).standard_normal((30, CLASSES)).astype(np.float32)
    y = np.eye(CLASSES)[labels]
    plain = ridge_with_prior(z, prior, y - y.mean(0), PriorRidge())
    balanced = balanced_ridge(z, prior, labels, PriorRidge())
    np.testing.assert_allclose(balanced.weights, plain.weights, atol=1e-5)
    np.testing.assert_allclose(balanced.held_out, plain.held_out, atol=1e-5)
    assert balanced.prior_weight == pytest.approx(plain.prior_weight, abs=1e-6)


def test_a_full_balance_weighs_rows_as_scikit_learn_s_class_weight_does():
    """Twice a class's rows at half the weight are the same rows, but for the evidence that more rows are."""
    states, labels = make_states(n=30)
    z = np.hstack([states / 30, np.full((30, 1), 0.3)]).astype(np.float32)
    prior = np.random.default_rng(0).standard_normal((30, CLASSES)).astype(np.float32)
    settings = PriorRidge(alphas=(1.0,), prior_weights=(0.1,), intercept_scales=(1.0,))
    few = np.concatenate([np.arange(30), np.flatnonzero(labels == 0)])
    weight = compute_sample_weight("balanced", labels[few])
    y = np.eye(CLASSES)[labels[few]]
    fit = balanced_ridge(z[few], prior[few], labels[few], settings, 1.0)
    target = y - np.average(y, axis=0, weights=weight) - 0.1 * prior[few]
    expected = Ridge(1.0, fit_intercept=False).fit(z[few], target, sample_weight=weight / weight.mean())
    np.testing.assert_allclose(fit.weights, expected.coef_.T, atol=1e-4)


def test_without_evidence_predictions_keep_their_weights():
    """An estimate that is the same for every class says nothing: only the shift and the factor are left."""
    labels = np.arange(12) % CLASSES
    silent = np.zeros((12, CLASSES))
    mixed = weigh([silent, silent], labels, np.zeros(CLASSES), SETTINGS)
    factor = mixed[0, 0] / 0.2
    expected = np.vstack([0.2 * factor * np.eye(CLASSES), 0.5 * factor * np.eye(CLASSES), np.zeros((1, CLASSES))])
    np.testing.assert_allclose(mixed, expected, atol=1e-6)


def test_evidence_moves_the_weights_to_the_better_prediction():
    labels = np.arange(300) % CLASSES
    noise = np.random.default_rng(0).standard_normal((2, 300, CLASSES))
    good, bad = np.eye(CLASSES)[labels] * 3 + noise[0], noise[1]
    mixed = weigh([bad, good], labels, np.zeros(CLASSES), SETTINGS)
    assert np.trace(mixed[CLASSES : 2 * CLASSES]) > 3 * abs(np.trace(mixed[:CLASSES]))
    logits = np.hstack([bad, good, np.ones((300, 1))]) @ mixed
    own = np.arange(300), labels
    assert log_softmax(logits, axis=1)[own].mean() > log_softmax(good, axis=1)[own].mean() - 0.01


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, (0.2, 0.5)), (0.4, (0.4, 0.3)), (1.0, (0.7, 0.0)), (2.0, (0.7, 0.0))]
)
def test_the_more_texts_have_labels_the_less_clusters_weigh(share, expected):
    moved = SETTINGS.where_labeled(share)
    assert moved.stacking_weights == pytest.approx(expected)
    assert (moved.stacking_alpha, moved.sharpness_deviation) == (15.0, 0.5)
