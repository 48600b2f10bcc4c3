"""The rivals against scikit-learn's own classifiers and plain loops."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import StandardScaler

from tests.vocabsem.method_data import D, make_space, make_states
from vocabsem.arrays import mean_and_deviation, unit_rows
from vocabsem.errors import DataError, TrainingFailed
from vocabsem.methods import Centroid, KNeighbors, LinearProbe
from vocabsem.methods._solvers import logistic as module
from vocabsem.methods._solvers.logistic import Logistic, choose_and_fit


@given(seed=st.integers(0, 500))
@settings(max_examples=15, deadline=None)
def test_centroid_l2_is_scikit_learn_s_nearest_centroid(seed):
    states, labels = make_states(seed)
    queries, _ = make_states(seed + 1)
    scaler = StandardScaler().fit(states)
    result = Centroid(make_space(), metric="l2").fit(states, labels)
    expected = NearestCentroid().fit(scaler.transform(states), labels)
    assert np.array_equal(result.predict(queries), expected.predict(scaler.transform(queries)))
    assert np.allclose(result.centroids_, expected.centroids_, atol=1e-5)


def test_centroid_cosine_by_definition():
    states, labels = make_states()
    result = Centroid(make_space()).fit(states, labels)
    z = StandardScaler().fit_transform(states.astype(np.float64))
    means = np.stack([z[labels == c].mean(0) for c in range(3)])
    similar = unit_rows(z) @ unit_rows(means).T
    expected = np.exp(similar) / np.exp(similar).sum(1, keepdims=True)
    assert np.allclose(result.predict_proba(states), expected, atol=1e-5)


def test_centroid_gives_an_absent_class_nothing():
    states, labels = make_states(absent=[2])
    for metric in ("cosine", "l2"):
        assert (Centroid(make_space(), metric=metric).fit(states, labels).predict_proba(states)[:, 2] == 0).all()


@pytest.mark.parametrize("k", [1, 5, 90, 1000])
def test_neighbors_are_scikit_learn_s(k):
    states, labels = make_states()
    queries, _ = make_states(1)
    result = KNeighbors(make_space(), n_neighbors=k, smoothing=1e-9).fit(states, labels)
    rival = KNeighborsClassifier(min(k, 90), metric="cosine")
    scaler = StandardScaler().fit(states.astype(np.float64))
    rival.fit(scaler.transform(states.astype(np.float64)), labels)
    expected = rival.predict_proba(scaler.transform(queries.astype(np.float64)))
    assert np.allclose(result.predict_proba(queries), expected, atol=1e-6)


def test_neighbors_are_smoothed_and_blocked(monkeypatch):
    states, labels = make_states()
    whole = KNeighbors(make_space(), n_neighbors=4, smoothing=0.5).fit(states, labels).predict_proba(states)
    assert set(np.round(np.unique(whole) * 5.5, 9)) <= {0.5, 1.5, 2.5, 3.5, 4.5}
    monkeypatch.setattr("vocabsem.methods.k_neighbors.BLOCK", 7)
    parts = KNeighbors(make_space(), n_neighbors=4, smoothing=0.5).fit(states, labels).predict_proba(states)
    assert np.allclose(parts, whole)


@pytest.mark.parametrize("params", [{"n_neighbors": 0}, {"smoothing": 0.0}])
def test_neighbors_refuse(params):
    with pytest.raises(DataError, match="give a number above 0"):
        KNeighbors(make_space(), **params).fit(*make_states())


def test_rivals_take_layers_side_by_side():
    states, labels = make_states(d=2 * D)
    for method in (Centroid(make_space()), KNeighbors(make_space()), LinearProbe(make_space(), layers=2)):
        assert method.fit(states, labels).predict_proba(states).shape == (90, 3)


def test_mean_and_deviation():
    states, _ = make_states()
    states[:, 3] = 5
    states[:, 4] = 0
    mean, deviation = mean_and_deviation(states)
    assert np.allclose(mean, states.astype(np.float64).mean(0), rtol=1e-6)
    expected = states.astype(np.float64).std(0)
    expected[[3, 4]] = 1
    assert np.allclose(deviation, expected, rtol=1e-6)


# ---------------------------------------------------------------------------------------------- logistic regression


def fit_logistic(z, offset, labels, penalty):
    """The fit under one penalty, as it is made once that is chosen."""
    columns, axes = module._along_principal_axes(z, offset)
    return module._on_all_rows(columns, axes, offset, labels, penalty, Logistic())


def scikit_probe(z, labels, penalty):
    """The same objective: an intercept penalized at a hundredth is a constant column of length 10."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        rival = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-8, max_iter=10_000)
        return rival.fit(np.hstack([z, np.full((len(z), 1), 10.0)]).astype(np.float64), labels)


@pytest.mark.parametrize("penalty", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("distance", [0.5, 6.0])
def test_logistic_is_scikit_learn_s(penalty, distance):
    states, labels = make_states(n=300, distance=distance)
    mean, deviation = mean_and_deviation(states)
    z = (states - mean) / deviation
    result = fit_logistic(z, np.zeros((300, 3), np.float32), labels, penalty)
    logits = result.logits(z, np.zeros((300, 3))).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rival = scikit_probe(z, labels, penalty)
    expected = rival.predict_proba(np.hstack([z, np.full((300, 1), 10.0)]))
    assert np.abs(probabilities - expected).max() < 2e-3  # ours stops at a relative decrease of 1e-7
    assert np.allclose(result.coef, rival.coef_[:, :-1].T, atol=2e-3)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_probe_is_scikit_learn_s_on_standardized_states(layers):
    states, labels = make_states(n=120, d=D * layers, distance=3)
    queries, _ = make_states(1, d=D * layers)
    result = LinearProbe(make_space(), layers=layers).fit(states, labels)
    scaler = StandardScaler().fit(states.astype(np.float64))
    columns = lambda rows: np.hstack([scaler.transform(rows) / layers**0.5, np.full((len(rows), 1), 10.0)])  # noqa: E731
    rival = scikit_probe(columns(states)[:, :-1], labels, result.alpha_)
    assert np.allclose(result.predict_proba(queries), rival.predict_proba(columns(queries)), atol=2e-3)


@pytest.mark.parametrize("n", [5, 16, 17, 200])
def test_principal_axes_change_nothing(n, monkeypatch):
    """With fewer rows than columns the minimum lies in the rows' span; with more the axes are a rotation."""
    states, labels = make_states(n=n)
    z, offset = ((states - 3) / states.std(0)).astype(np.float32), np.zeros((n, 3), np.float32)
    rotated = fit_logistic(z, offset, labels, 30.0)
    monkeypatch.setattr(module, "ROTATED", 0)
    plain = fit_logistic(z, offset, labels, 30.0)
    assert rotated.coef.shape == plain.coef.shape == (16, 3)
    assert np.allclose(rotated.coef, plain.coef, atol=2e-3)
    assert np.allclose(rotated.intercept, plain.intercept, atol=2e-3)


def test_an_offset_is_what_the_labels_need_not_explain():
    """Labels drawn from the offset leave nothing to learn; without it the same rows do."""
    generator = np.random.default_rng(0)
    z = generator.standard_normal((4000, 5)).astype(np.float32)
    offset = (z @ generator.standard_normal((5, 3)) * 2).astype(np.float32)
    p = np.exp(offset) / np.exp(offset).sum(1, keepdims=True)
    labels = np.array([generator.choice(3, p=row / row.sum()) for row in p.astype(np.float64)])
    with_offset = fit_logistic(z, offset, labels, 10.0)
    without = fit_logistic(z, np.zeros_like(offset), labels, 10.0)
    assert np.linalg.norm(with_offset.coef) < 0.1 * np.linalg.norm(without.coef)


def test_the_alpha_follows_the_data():
    """Few rows leave it at the prior's 300; much clean signal weakens it; noise keeps it strong."""
    noise = np.random.default_rng(0)
    chosen = lambda s, y: choose_and_fit(s, np.zeros((len(s), 3), np.float32), y, Logistic(), 0).alpha  # noqa: E731
    states, labels = make_states(n=3000, distance=4)
    z = ((states - states.mean(0)) / states.std(0)).astype(np.float32)
    assert chosen(z[:3], labels[:3]) == 300
    assert chosen(z, labels) < 100
    assert chosen(z[:400], noise.integers(3, size=400)) >= 300


def test_the_alpha_is_the_one_of_a_naive_search():
    states, labels = make_states(n=60, distance=4)
    z = ((states - states.mean(0)) / states.std(0)).astype(np.float32)
    offset = np.zeros((60, 3), np.float32)
    generator = np.random.default_rng(3)
    generator.permutation(60)
    fold = module._stratified(labels, 5, generator)
    costs = {}
    for penalty in module.ALPHAS:
        cost = 0.5 * np.log(penalty / 300) ** 2
        for number in range(5):
            model = fit_logistic(z[fold != number], offset[fold != number], labels[fold != number], penalty)
            for row in np.flatnonzero(fold == number):
                logits = model.logits(z[row : row + 1], offset[row : row + 1])[0].astype(np.float64)
                cost -= logits[labels[row]] - np.log(np.exp(logits).sum())
        costs[penalty] = cost
    assert choose_and_fit(z, offset, labels, Logistic(), 3).alpha == min(costs, key=costs.get)


@given(counts=st.lists(st.integers(1, 40), min_size=2, max_size=5), folds=st.integers(2, 6), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_folds_share_out_each_class(counts, folds, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    fold = module._stratified(labels, folds, np.random.default_rng(seed))
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for c in range(len(counts)):
        share = np.bincount(fold[labels == c], minlength=folds)
        assert share.max() - share.min() <= 1


def test_large_sets_choose_on_a_part_and_fit_on_all():
    states, labels = make_states(n=600, distance=4)
    result = LinearProbe(make_space(), max_cv_rows=50).fit(states, labels)
    z = (states - result.mean_) / result.scale_
    whole = fit_logistic(z, np.zeros((600, 3), np.float32), labels, result.alpha_)
    assert np.array_equal(result.coef_, whole.coef)


def test_infinite_states_are_an_error():
    z = np.full((4, 2), np.inf, np.float32)
    zeros, labels = np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1])
    for columns, offset in ((z, zeros), (zeros, z)):
        with pytest.raises(TrainingFailed, match="became infinite: check the scale of the states"):
            fit_logistic(columns, offset, labels, 10.0)
