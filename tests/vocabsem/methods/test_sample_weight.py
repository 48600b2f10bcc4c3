"""Weights of labeled rows: solutions against scikit-learn, errors of rows left out against refits without them."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score

from vocabsem.arrays import check_weights, weighted_mean_and_std
from vocabsem.errors import DataError
from vocabsem.evaluation.temperature import cross_fitted_temperature, fit_temperature
from vocabsem.label_space import LabelSpace
from vocabsem.methods import (
    Centroid,
    LinearProbe,
    MultiRidge,
    OrdinalRidge,
    ProbeSelfTraining,
    RidgeProbe,
    RidgeRegression,
    RidgeSelfTraining,
)
from vocabsem.methods._solvers.cumulative_logit import fit_thresholds, log_probabilities
from vocabsem.methods._solvers.label_ridge import best_threshold, ridge_by_label
from vocabsem.methods._solvers.logistic import Logistic, choose_and_fit
from vocabsem.methods._solvers.prior_ridge import PriorRidge
from vocabsem.methods.ridge import ridge

N, D, C = 24, 6, 3


@pytest.fixture
def data():
    """Rows, classes, and weights of mean 1 that differ by more than tenfold."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % C
    z = rng.normal(size=(N, D)) + np.eye(C, D)[labels]
    weights = rng.uniform(0.1, 3.0, N)
    return z, labels, weights / weights.mean()


def without(i, *arrays):
    return [np.delete(array, i, axis=0) for array in arrays]


def test_weights_that_are_none_are_one_error():
    np.testing.assert_array_equal(check_weights([2, 0], 2, "ridge"), [2.0, 0.0])
    for wrong, message in (
        ([1.0], r"shape \(1,\), expected \(2,\)"),
        ([[1.0], [1.0]], "shape"),
        ([0.0, 0.0], "every weight in sample_weight is zero"),
        ([1.0, -2.0], "holds -2.0: give numbers of 0 or more"),
        ([np.nan, 1.0], "holds nan"),
    ):
        with pytest.raises(DataError, match=f"ridge: .*{message}"):
            check_weights(wrong, 2, "ridge")


def test_moments_are_those_of_repeated_rows():
    values, counts = np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 2.0]]), np.array([1.0, 3.0, 2.0])
    mean, std = weighted_mean_and_std(values, counts / counts.mean())
    repeated = np.repeat(values, counts.astype(int), axis=0)
    np.testing.assert_allclose(mean, repeated.mean(axis=0))
    np.testing.assert_allclose(std, repeated.std(axis=0))


def test_ridge_is_scikit_learns_and_its_left_out_estimates_are_those_of_refits(data):
    z, labels, weights = data
    y = np.eye(C)[labels]
    for alpha in (0.5, 20.0):
        coef, intercept, _, estimates = ridge(z, y, np.array([alpha]), 300.0, weights)
        expected = Ridge(alpha).fit(z, y, sample_weight=weights)
        np.testing.assert_allclose(coef, expected.coef_.T, atol=1e-10)
        np.testing.assert_allclose(intercept, expected.intercept_, atol=1e-10)
        for i in range(N):
            rest = without(i, z, y, weights)
            refitted = Ridge(alpha).fit(*rest[:2], sample_weight=rest[2])
            np.testing.assert_allclose(estimates[i], refitted.predict(z[[i]])[0], atol=1e-9)


def test_ridge_chooses_the_penalty_by_weighted_errors_of_refits(data):
    z, labels, weights = data
    y, alphas, prior = np.eye(C)[labels], np.array([0.1, 1.0, 10.0, 100.0, 1000.0]), 300.0
    costs = []
    for alpha in alphas:
        error = 0.0
        for i in range(N):
            rest = without(i, z, y, weights)
            missed = y[i] - Ridge(alpha).fit(*rest[:2], sample_weight=rest[2]).predict(z[[i]])[0]
            error += weights[i] * (missed**2).sum()
        costs.append(0.5 * N * np.log(error) + 0.5 * np.log(alpha / prior) ** 2)
    assert ridge(z, y, alphas, prior, weights)[2] == alphas[np.argmin(costs)]


def test_the_probe_hands_its_weights_on(data):
    X, labels, weights = data
    probe = RidgeProbe(alphas=(3.0,)).fit(X, labels, sample_weight=7 * weights)
    z = ((X.astype(np.float32) - probe.mean_) / probe.scale_).astype(np.float64)
    expected = Ridge(3.0).fit(z, np.eye(C)[labels], sample_weight=weights)
    np.testing.assert_allclose(probe.coef_, expected.coef_.T, atol=1e-9)
    estimates = []
    for i in range(N):
        rest = without(i, z, np.eye(C)[labels], weights)
        estimates.append(Ridge(3.0).fit(*rest[:2], sample_weight=rest[2]).predict(z[[i]])[0])

    def cost(log_beta):
        of_labels = log_softmax(np.exp(log_beta[0]) * np.array(estimates), axis=1)[np.arange(N), labels]
        return 0.5 * (log_beta[0] - np.log(5.0)) ** 2 - weights @ of_labels

    assert probe.sharpness_ == pytest.approx(np.exp(minimize(cost, [1.0], method="Nelder-Mead").x[0]), rel=1e-3)


def test_label_ridge_is_scikit_learns_and_its_left_out_scores_are_those_of_refits(data):
    z, _, weights = data
    rng = np.random.default_rng(1)
    y, prior, beta, alpha = rng.normal(size=(N, 2)), rng.normal(size=(N, 2)), 0.4, 2.0
    fit = ridge_by_label(z, prior, y, PriorRidge(alphas=(alpha,), prior_weights=(beta,)), weights)
    target = y - beta * prior
    expected = Ridge(alpha).fit(z, target, sample_weight=weights)
    np.testing.assert_allclose(fit.weights, expected.coef_.T, atol=1e-9)
    np.testing.assert_allclose(fit.intercept, expected.intercept_, atol=1e-9)
    for i in range(N):
        rest = without(i, z, target, weights)
        refitted = Ridge(alpha).fit(*rest[:2], sample_weight=rest[2])
        np.testing.assert_allclose(fit.held_out[i], refitted.predict(z[[i]])[0] + beta * prior[i], atol=1e-8)


def test_label_ridge_weighs_its_candidates_by_weighted_errors_of_refits(data):
    z, labels, weights = data
    y, prior = (labels == 1)[:, None].astype(float), z[:, :1]
    alphas, betas = (0.3, 3.0, 30.0), (0.0, 0.5)
    mixed = ridge_by_label(z, prior, y, PriorRidge(alphas=alphas, prior_weights=betas), weights)
    logs, scores = [], []
    for alpha in alphas:
        for beta in betas:
            one = ridge_by_label(z, prior, y, PriorRidge(alphas=(alpha,), prior_weights=(beta,)), weights)
            scores.append(one.held_out[:, 0])
            error = weights @ (y[:, 0] - one.held_out[:, 0]) ** 2
            logs.append(-0.5 * N * np.log(error + 1e-9) + np.log(beta + 0.02))
    share = np.exp(logs - np.max(logs))
    np.testing.assert_allclose(mixed.held_out[:, 0], share / share.sum() @ np.array(scores), atol=1e-9)


def test_numbers_are_those_of_scikit_learn(data):
    X, labels, weights = data
    target = 3 + 2 * X[:, 0] + labels
    space = LabelSpace(np.eye(2, D), np.eye(2, D), np.zeros(2), values=np.array([0.0, 5.0]))
    method = RidgeRegression(space, targets="none", alphas=(0.5,)).fit(X, target, sample_weight=weights)
    z = (X.astype(np.float32) - method.mean_) / method.scale_
    unit = np.sqrt(np.average((target - np.average(target, weights=weights)) ** 2, weights=weights))
    expected = Ridge(0.5).fit(z.astype(np.float64), target, sample_weight=weights)
    np.testing.assert_allclose(method.predict(X), expected.predict(z.astype(np.float64)), atol=1e-5 * unit)
    level = RidgeRegression(space).fit(X[:2], [2.0, 2.0], unlabeled=X, sample_weight=[1, 3])
    alone = RidgeRegression(space).fit(X)
    missed = 2.0 - alone.predict(X[:2])
    np.testing.assert_allclose(level.predict(X[:2]), alone.predict(X[:2]) + missed @ [0.25, 0.75], atol=1e-5)


def test_logistic_regression_is_scikit_learns(data):
    z, labels, weights = data
    alpha = 2.0
    settings = Logistic(alphas=(alpha,), tol=1e-14, max_iter=10_000)
    fit = choose_and_fit(z.astype(np.float32), np.zeros((N, C), np.float32), labels, settings, 0, weights)
    columns = np.hstack([z, np.full((N, 1), 10.0)])  # an intercept whose penalty is λ/100
    expected = LogisticRegression(C=1 / alpha, fit_intercept=False, tol=1e-12, max_iter=10_000)
    expected.fit(columns, labels, sample_weight=weights)
    np.testing.assert_allclose(fit.coef.T, expected.coef_[:, :-1], atol=1e-3)  # ends at gradients of 1e-3, over λ
    np.testing.assert_allclose(fit.intercept, 10 * expected.coef_[:, -1], atol=2e-3)


def test_logistic_regression_chooses_the_penalty_by_weighted_held_out_likelihood(data):
    z, labels, weights = data
    z, offset = z.astype(np.float32), np.zeros((N, C), np.float32)
    settings, costs = Logistic(alphas=(30.0, 3.0, 0.3), cv=N), {}
    for alpha in settings.alphas:
        one = Logistic(alphas=(alpha,))
        costs[alpha] = 0.5 * np.log(alpha / settings.alpha_prior) ** 2
        for i in range(N):  # as many folds as rows: each is left out
            rest = without(i, z, offset, labels, weights)
            fit = choose_and_fit(rest[0], rest[1], rest[2], one, 0, rest[3])
            costs[alpha] -= weights[i] * log_softmax(fit.logits(z[[i]], offset[[i]])[0])[labels[i]]
    assert choose_and_fit(z, offset, labels, settings, 0, weights).alpha == min(costs, key=costs.get)


def test_thresholds_are_those_of_repeated_rows(data):
    _, labels, _ = data
    scores, counts = np.random.default_rng(2).normal(size=N) + labels, np.arange(N) % 4 + 1
    k, thresholds = fit_thresholds(scores, labels, C, weights=counts.astype(float))
    again_k, again = fit_thresholds(np.repeat(scores, counts), np.repeat(labels, counts), C)
    assert k == pytest.approx(again_k, rel=1e-3)
    np.testing.assert_allclose(thresholds, again, atol=1e-3)
    assert np.isfinite(log_probabilities(scores, k, thresholds)).all()


def test_the_threshold_has_the_highest_weighted_f1(data):
    _, labels, weights = data
    scores, there = np.random.default_rng(3).normal(size=N) + (labels == 1), labels == 1
    best = best_threshold(scores, there, weights)
    f1 = {t: f1_score(there, scores >= t, sample_weight=weights) for t in [*scores, best]}
    assert f1[best] == pytest.approx(max(f1.values()))


def test_the_temperature_is_that_of_repeated_rows(data):
    _, labels, _ = data
    logits, counts = 3 * np.random.default_rng(4).normal(size=(N, C)), np.arange(N) % 3 + 1
    weighted = fit_temperature(labels, logits, sample_weight=counts)
    assert weighted == pytest.approx(fit_temperature(np.repeat(labels, counts), np.repeat(logits, counts, axis=0)))
    assert weighted != pytest.approx(fit_temperature(labels, logits))


def test_equal_weights_change_nothing_and_unequal_ones_do(data):
    X, labels, weights = data
    space = LabelSpace(np.eye(C, D), np.eye(C, D), np.zeros(C))
    sets = np.stack([labels == 0, labels != 2, X[:, 0] > 0], axis=1).astype(int)
    of_numbers = LabelSpace(np.eye(2, D), np.eye(2, D), np.zeros(2), values=np.array([0.0, 5.0]))
    for make, y in (
        (lambda: RidgeProbe(), labels),
        (lambda: LinearProbe(alphas=(1.0,)), labels),
        (lambda: OrdinalRidge(space), labels),
        (lambda: MultiRidge(space), sets),
        (lambda: RidgeRegression(of_numbers), X[:, 0] + labels),
    ):
        answer = (lambda e: e.predict(X)) if y.dtype.kind == "f" else (lambda e: e.predict_proba(X))
        plain, equal, other = (answer(make().fit(X, y, sample_weight=w)) for w in (None, np.full(N, 5.0), weights))
        np.testing.assert_allclose(equal, plain, atol=1e-6)
        assert np.abs(other - plain).max() > 1e-3


@pytest.mark.parametrize("method", [RidgeProbe, LinearProbe, OrdinalRidge])
def test_rows_of_weight_zero_are_left_out(data, method):
    X, labels, weights = data
    some = np.where(np.arange(N) % 4 == 0, 0, weights)
    left = some > 0
    zeros, fewer = method().fit(X, labels, X, some), method().fit(X[left], labels[left], X, some[left])
    np.testing.assert_array_equal(zeros.predict_proba(X), fewer.predict_proba(X))
    with pytest.raises(DataError, match="hold 1 class"):
        method().fit(X, labels, sample_weight=(labels == 1).astype(float))


def test_rows_that_weigh_next_to_nothing_are_as_if_left_out(data):
    X, labels, _ = data
    noise = np.random.default_rng(5).integers(0, C, N)
    space = LabelSpace(np.eye(C, D), np.eye(C, D), np.zeros(C))
    both, y = np.vstack([X, X + 0.1]), np.concatenate([labels, noise])
    weights = np.repeat([1.0, 1e-9], N)
    for make in (lambda: RidgeProbe(alphas=(10.0,)), lambda: OrdinalRidge(space, alphas=(1.0,), prior_weights=(0.2,))):
        light = make().fit(both, y, X, sample_weight=weights)
        fewer = make().fit(X, labels, X, sample_weight=np.full(N, 1.0))
        assert np.abs(light.predict_proba(X) - make().fit(both, y, X).predict_proba(X)).max() > 0.05
        assert (light.predict(X) == fewer.predict(X)).mean() > 0.9


def test_estimators_side_by_side_take_weights_of_their_own(data):
    X, labels, weights = data
    together = [RidgeProbe(), RidgeProbe()]
    RidgeProbe.fit_together(together, [X, X], [labels, labels], [None, None], [weights, None])
    np.testing.assert_array_equal(together[0].coef_, RidgeProbe().fit(X, labels, sample_weight=weights).coef_)
    np.testing.assert_array_equal(together[1].coef_, RidgeProbe().fit(X, labels).coef_)
    with pytest.raises(DataError, match="centroid takes no weights of rows"):
        Centroid.fit_together([Centroid()], [X], [labels], [None], [weights])


def test_the_temperature_of_a_method_has_the_weights_of_its_fits(data):
    X, labels, weights = data
    X, y, w = np.tile(X, (3, 1)), np.tile(labels, 3), np.tile(weights, 3)
    make = lambda: LinearProbe(alphas=(1.0,))  # noqa: E731
    temperature = cross_fitted_temperature(make, X, y, X, cv=3, sample_weight=w)
    assert temperature != pytest.approx(cross_fitted_temperature(make, X, y, X, cv=3), rel=1e-3)
    assert temperature == pytest.approx(cross_fitted_temperature(make, X, y, X, cv=3, sample_weight=5 * w), rel=1e-3)


@pytest.mark.parametrize("method", [RidgeSelfTraining, ProbeSelfTraining])
def test_what_is_predicted_of_texts_without_labels_counts_once(data, method):
    X, labels, weights = data
    more = np.random.default_rng(6).normal(size=(10, D))
    settings = {"alphas": (10.0,)}
    fitted = method(**settings).fit(X, labels, more, sample_weight=weights)
    z, background = (((rows.astype(np.float32) - fitted.mean_) / fitted.scale_) for rows in (X, more))
    base = (RidgeProbe if method is RidgeSelfTraining else LinearProbe)(**settings)
    soft = softmax(3 * base.fit(X, labels, more, sample_weight=weights)._logits(more.astype(np.float32)), axis=1)
    rows, counted = np.vstack([z, background]).astype(np.float64), np.concatenate([weights, np.ones(10)])
    targets = np.vstack([np.eye(C)[labels], soft])
    if method is RidgeSelfTraining:
        expected = Ridge(10.0).fit(rows, targets, sample_weight=counted)
        np.testing.assert_allclose(fitted.coef_, expected.coef_.T, atol=1e-6)
        return
    columns = np.repeat(np.hstack([rows, np.full((len(rows), 1), 10.0)]), C, axis=0)  # a class is a row of its weight
    expected = LogisticRegression(C=0.1, fit_intercept=False, tol=1e-12, max_iter=10_000)
    expected.fit(columns, np.tile(np.arange(C), len(rows)), sample_weight=(counted[:, None] * targets).ravel())
    np.testing.assert_allclose(fitted.coef_.T, expected.coef_[:, :-1], atol=1e-3)
