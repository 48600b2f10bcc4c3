"""Proportional odds: slopes of the likelihood, symmetries, and scores far outside those that were seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import expit, logsumexp
from sklearn.linear_model import LogisticRegression

from vocabsem.methods._solvers import cumulative_logit
from vocabsem.methods._solvers.cumulative_logit import fit_thresholds, log_probabilities


def scored(seed, n, classes, signal=1.5):
    """Labels, and scores of about unit deviation that follow them."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=n)
    scores = signal * (labels - (classes - 1) / 2) + generator.standard_normal(n)
    return scores / max(scores.std(), 1e-6), labels


THRESHOLDS = st.lists(st.floats(0.01, 3), min_size=1, max_size=7).map(lambda gaps: np.cumsum(gaps) - sum(gaps) / 2)
SHARPNESS = st.floats(0.05, 20)


@given(thresholds=THRESHOLDS, k=SHARPNESS, scores=st.lists(st.floats(-50, 50), min_size=1, max_size=5))
def test_probabilities_sum_to_one_and_their_sums_are_logistic(thresholds, k, scores):
    u = np.array(scores)
    log_p = log_probabilities(u, k, thresholds)
    np.testing.assert_allclose(logsumexp(log_p, axis=1), 0, atol=1e-9)
    below = np.exp(log_p).cumsum(axis=1)[:, :-1]
    np.testing.assert_allclose(below, expit(k * (thresholds - u[:, None])), atol=1e-9)


@given(thresholds=THRESHOLDS, k=SHARPNESS)
def test_a_higher_score_makes_no_higher_class_less_likely(thresholds, k):
    """The odds of two neighbors grow with the score: the likelihood ratio is monotone."""
    log_p = log_probabilities(np.linspace(-4, 4, 41), k, thresholds)
    assert (np.diff(np.diff(log_p, axis=1), axis=0) > -1e-9).all()


@given(thresholds=THRESHOLDS, k=SHARPNESS, u=st.floats(-20, 20))
def test_turning_the_axis_turns_the_classes(thresholds, k, u):
    turned = log_probabilities(np.array([-u]), k, -thresholds[::-1])[:, ::-1]
    np.testing.assert_allclose(log_probabilities(np.array([u]), k, thresholds), turned, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_the_slopes_that_the_optimizer_is_given_are_those_of_the_cost(classes, monkeypatch):
    seen = []
    minimize = cumulative_logit.minimize
    monkeypatch.setattr(
        cumulative_logit, "minimize", lambda f, x, **how: (seen.append((f, x)), minimize(f, x, **how))[1]
    )
    fit_thresholds(*scored(classes, 80, classes), classes)
    ((cost, start),) = seen
    for shift in np.random.default_rng(0).uniform(-0.7, 0.7, (5, len(start))):
        at = start + shift
        size = np.linalg.norm(cost(at)[1])
        assert check_grad(lambda x: cost(x)[0], lambda x: cost(x)[1], at) < 1e-5 * size  # of forward differences


@pytest.mark.medium
@given(seed=st.integers(0, 999), n=st.integers(2, 60), classes=st.integers(2, 6))
@settings(max_examples=40)
def test_thresholds_ascend_and_turn_with_the_labels(seed, n, classes):
    scores, labels = scored(seed, n, classes)
    k, thresholds = fit_thresholds(scores, labels, classes)
    assert k > 0
    assert (np.diff(thresholds) > 0).all()
    turned_k, turned = fit_thresholds(-scores, classes - 1 - labels, classes)
    assert turned_k == pytest.approx(k, rel=0.01)  # the optimizer begins at another end, and the cost is flat there
    np.testing.assert_allclose(turned, -thresholds[::-1], atol=0.02)


def test_two_classes_are_logistic_regression():
    """Without a penalty scikit-learn's likelihood is that of k and one threshold, but for the prior of k."""
    scores, labels = scored(0, 4000, 2, signal=1.0)
    k, (threshold,) = fit_thresholds(scores, labels, 2)
    plain = LogisticRegression(C=np.inf, tol=1e-8).fit(scores[:, None], labels)
    assert k == pytest.approx(plain.coef_[0, 0], rel=0.01)  # one row in four thousand, and the prior
    assert threshold == pytest.approx(-plain.intercept_[0] / plain.coef_[0, 0], abs=0.01)


@pytest.mark.parametrize("n", [10, 20_000])
def test_scores_that_part_the_classes_wholly_give_finite_thresholds_between_them(n):
    labels = np.arange(n) % 4
    scores = (labels - 1.5) / np.std(np.arange(4))
    k, thresholds = fit_thresholds(scores, labels, 4)
    assert np.isfinite(k)
    assert [np.searchsorted(thresholds, score) for score in np.unique(scores)] == [0, 1, 2, 3]
    log_p = log_probabilities(np.array([-1e6, 0.0, 1e6]), k, thresholds)
    assert log_p.argmax(axis=1)[[0, 2]].tolist() == [0, 3]
    assert not np.isnan(log_p).any()


@pytest.mark.parametrize("only", [0, 2, 3])
def test_labels_of_one_class_alone_leave_room_for_the_others(only):
    k, thresholds = fit_thresholds(np.random.default_rng(0).standard_normal(30), np.full(30, only), 4)
    p = np.exp(log_probabilities(np.array([0.0]), k, thresholds))[0]
    assert p.argmax() == only
    assert (p > 0).all()
