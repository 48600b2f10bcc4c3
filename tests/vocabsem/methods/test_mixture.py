"""Gaussian clusters of one covariance, against scikit-learn's and by what expectation maximization promises."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from tests.vocabsem.method_data import CLASSES, D, make_space, make_states
from vocabsem.label_space import LabelSpace
from vocabsem.methods import VocabularyCalibrator
from vocabsem.methods._solvers.mixture import Clusters, cluster, gaussian_mixture

PLAIN = {"labeled_weight": 1.0, "shrinkage": 0.0, "uniform_weight": 0.0}
NONE = np.empty((0, CLASSES))


def rows_and_start(n=200, k=4, seed=0):
    """Rows x (n, k) in float64 around class means, and responsibilities (n, C) that are better than chance."""
    x, labels = make_states(seed, n=n, d=k, distance=3)
    x = (x - x.mean(0)) / x.std(0)
    noise = np.random.default_rng(seed).standard_normal((n, CLASSES))
    return x.astype(np.float64), softmax(np.eye(CLASSES)[labels] + noise, axis=1), labels


def posterior(x, fit):
    coef, intercept = fit
    return softmax(x @ coef + intercept, axis=1)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_it_is_scikit_learns_tied_mixture(steps):
    x, q, _ = rows_and_start()
    means = q.T @ x / q.sum(0)[:, None]
    centered = x[:, None] - means
    covariance = np.einsum("nc,nci,ncj->ij", q, centered, centered) / len(x)
    peer = GaussianMixture(
        CLASSES,
        covariance_type="tied",
        means_init=means,
        weights_init=q.mean(0),
        precisions_init=np.linalg.inv(covariance),
        max_iter=max(1, steps - 1),
        tol=0.0,
        reg_covar=0.0,
    )
    if steps == 1:  # the first maximization is where scikit-learn begins
        densities = np.stack([multivariate_normal(mean, covariance).logpdf(x) for mean in means], 1)
        expected = softmax(densities + np.log(q.mean(0)), axis=1)
    else:
        with pytest.warns(match="did not converge"):
            expected = peer.fit(x).predict_proba(x)
    result = gaussian_mixture(x, q, NONE, **PLAIN, max_iter=steps)
    np.testing.assert_allclose(posterior(x, result), expected, atol=1e-8)


def test_every_step_raises_the_likelihood():
    x, q, _ = rows_and_start()

    def likelihood(steps):
        fit = gaussian_mixture(x, q, NONE, **PLAIN, max_iter=steps)
        responsibilities = posterior(x, fit)
        again = gaussian_mixture(x, responsibilities, NONE, **PLAIN, max_iter=1)
        # the parameters of `again` by hand: their density, not only the posterior
        means = responsibilities.T @ x / responsibilities.sum(0)[:, None]
        away = x[:, None] - means
        covariance = np.einsum("nc,nci,ncj->ij", responsibilities, away, away) / len(x)
        logs = np.stack([multivariate_normal(mean, covariance).logpdf(x) for mean in means], 1)
        logs = logs + np.log(responsibilities.mean(0))
        np.testing.assert_allclose(softmax(logs, axis=1), posterior(x, again), atol=1e-8)
        return logsumexp(logs, axis=1).sum()

    values = [likelihood(steps) for steps in (1, 2, 4, 8, 16, 32)]
    assert all(later > earlier - 1e-9 for earlier, later in pairwise(values))
    assert values[-1] > values[0] + 1


@given(st.permutations(range(CLASSES)), st.integers(0, 20))
@settings(max_examples=15, deadline=None)
def test_classes_under_other_numbers_are_the_same_clusters(order, seed):
    x, q, _ = rows_and_start(seed=seed)
    settings_ = {"labeled_weight": 3.0, "shrinkage": 0.1, "uniform_weight": 1.0, "max_iter": 5}
    given_ = np.eye(CLASSES)[[0, 1, 2, 1]]
    rows = np.vstack([x, x[:4]])
    plain = gaussian_mixture(rows, q, given_, **settings_)
    renamed = gaussian_mixture(rows, q[:, order], given_[:, order], **settings_)
    np.testing.assert_allclose(posterior(x, renamed), posterior(x, plain)[:, order], atol=1e-8)


def test_other_coordinates_are_the_same_clusters_without_shrinkage():
    x, q, _ = rows_and_start()
    turn = np.random.default_rng(3).standard_normal((4, 4))
    moved = x @ turn + 5
    here, there = (gaussian_mixture(rows, q, NONE, **PLAIN, max_iter=6) for rows in (x, moved))
    np.testing.assert_allclose(posterior(moved, there), posterior(x, here), atol=1e-6)


def test_labeled_rows_name_the_clusters():
    """From responsibilities that say nothing, a few rows that weigh much decide; without them all stays equal."""
    x, q, labels = rows_and_start(n=400)
    nothing = np.full_like(q, 1 / CLASSES)
    few = np.concatenate([np.flatnonzero(labels == c)[:10] for c in range(CLASSES)])
    rows, given_ = np.vstack([x, x[few]]), np.eye(CLASSES)[labels[few]]
    settings_ = {"shrinkage": 0.1, "uniform_weight": 0.0, "max_iter": 30}
    fit = gaussian_mixture(rows, nothing, given_, labeled_weight=10.0, **settings_)
    alone = gaussian_mixture(x, nothing, NONE, labeled_weight=10.0, **settings_)
    np.testing.assert_allclose(posterior(x, alone), 1 / CLASSES, atol=1e-6)
    assert (posterior(x, fit).argmax(1) == labels).mean() > 0.6


def test_shares_are_drawn_towards_equal_ones():
    x, _, labels = rows_and_start(n=300)
    kept = np.flatnonzero((labels == 0) | (np.arange(300) < 60))  # most of the first class
    free, equal = (
        gaussian_mixture(
            x[kept],
            np.eye(CLASSES)[labels[kept]],
            NONE,
            labeled_weight=1.0,
            shrinkage=0.1,
            uniform_weight=w,
            max_iter=1,
        )
        for w in (0.0, 1e6)
    )
    counts = np.bincount(labels[kept], minlength=CLASSES)
    np.testing.assert_allclose(equal[0], free[0])
    np.testing.assert_allclose(equal[1] - free[1], np.log(1 / CLASSES) - np.log(counts / counts.sum()), atol=1e-5)


@pytest.mark.parametrize("n", [3, 10, 200])
def test_more_axes_than_rows_have_are_no_matter(n):
    states, _ = make_states(n=n)
    z = np.hstack([(states - states.mean(0)) / states.std(0) / D**0.5, np.full((n, 1), 0.3)]).astype(np.float32)
    prediction = np.random.default_rng(0).standard_normal((n, CLASSES))
    wide, narrow = (cluster(z, [prediction], Clusters(n_components=k)) for k in (D, 10 * D))
    np.testing.assert_array_equal(wide, narrow)
    assert wide.shape == (D + 1, CLASSES)
    assert np.isfinite(wide).all()
    np.testing.assert_allclose(wide.sum(1), 0, atol=1e-5 * np.abs(wide).max())


def test_rows_that_are_all_the_same_have_no_clusters():
    z = np.hstack([np.zeros((5, D)), np.full((5, 1), 0.3)]).astype(np.float32)
    assert not cluster(z, [np.ones((5, CLASSES))], Clusters()).any()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_texts_or_equal_ones_are_enough_to_predict(n):
    states = np.repeat(make_states(n=n)[0], 2, axis=0)
    probabilities = VocabularyCalibrator(make_space()).fit(states).predict_proba(states)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_without_clusters_there_is_the_form_before():
    """mixture_weight scales their answer: 0 leaves it out, and a large one leaves little else."""
    space, (states, _) = make_space(), make_states(n=300)
    none, one, all_but = (VocabularyCalibrator(space, mixture_weight=w).fit(states).coef_ for w in (0.0, 1.0, 1e4))
    assert not np.allclose(none, one)
    mixed = one / np.linalg.norm(one)
    span = np.stack([none.ravel(), all_but.ravel()], 1)
    away = mixed.ravel() - span @ np.linalg.lstsq(span, mixed.ravel(), rcond=None)[0]
    assert np.linalg.norm(away) < 1e-3


def test_several_starts_yield_the_mean_of_their_answers_each_of_unit_deviation():
    states, _ = make_states(n=200)
    z = np.hstack([(states - states.mean(0)) / states.std(0) / D**0.5, np.full((200, 1), 0.3)]).astype(np.float32)
    starts = np.random.default_rng(0).standard_normal((2, 200, CLASSES)) + z[:, :CLASSES] * 9
    one, other = (cluster(z, [start], Clusters()) for start in starts)
    assert (z @ one).std() == pytest.approx(1, abs=1e-4)
    assert not np.allclose(one, other, atol=0.05)
    np.testing.assert_allclose(cluster(z, starts, Clusters()), (one + other) / 2, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("targets", "read"), [("both", "head"), ("head", "head"), ("anchors", "anchors")])
def test_clusters_start_from_logits_too_for_which_the_lengths_of_rows_matter(targets, read):
    """Directions of targets have none."""
    space, (states, _) = make_space(), make_states(n=300)
    factor = np.linspace(0.5, 9, CLASSES)[:, None]
    longer = {
        "head": LabelSpace(space.anchors, space.head * factor, space.bias),
        "anchors": LabelSpace(space.anchors * factor, space.head, space.bias),
    }
    one = VocabularyCalibrator(space, targets=targets).fit(states).coef_
    for kind, other in longer.items():
        assert np.allclose(one, VocabularyCalibrator(other, targets=targets).fit(states).coef_) != (kind == read)
