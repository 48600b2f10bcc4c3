"""The parts of our calibrator, each against its definition in float64 or against a fit for every row left out."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import Ridge

from vocabsem.methods._solvers.prior_ridge import ALPHAS, INTERCEPT_SCALES, PRIOR_WEIGHTS, PriorRidge, ridge_with_prior
from vocabsem.methods._solvers.self_training import SelfTraining, balance, estimate_shares, self_train
from vocabsem.methods._solvers.stacking import fit_stacking, sharpen


def draw(n, d=7, classes=3, seed=0):
    """z (n, d), a prior answer (n, C), labels (n,) and centered one-hot labels (n, C)."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    z = generator.standard_normal((n, d)) + 0.7 * np.random.default_rng(1).standard_normal((classes, d))[labels]
    y = np.eye(classes)[labels]
    return z / d**0.5, generator.standard_normal((n, classes)), labels, y - y.mean(0)


# ---------------------------------------------------------------------------------------------- ridge with a prior


def all_fits(z, answer, y):
    """Every (intercept scale, λ, β) by scikit-learn, each row left out in turn → β, log weights, weights, errors."""
    every = list(product(INTERCEPT_SCALES, ALPHAS, PRIOR_WEIGHTS))
    log_weights, weights, errors = [], [], []
    for last, alpha, weight in every:
        scale, rest = np.append(np.ones(z.shape[1] - 1), last), y - weight * answer
        fit = lambda rows, a=alpha, r=rest, s=scale: Ridge(alpha=a, fit_intercept=False).fit(z[rows] * s, r[rows])  # noqa: E731
        each = [rest[i] - fit(np.arange(len(z)) != i).predict(z[[i]] * scale)[0] for i in range(len(z))]
        errors.append(np.array(each))
        weights.append(fit(np.arange(len(z))).coef_.T * scale[:, None])
        evidence = -len(z) * (y.shape[1] - 1) / 2 * np.log((errors[-1] ** 2).sum())
        log_weights.append(evidence + np.log(weight + 0.02))
    return [weight for *_, weight in every], np.array(log_weights), np.array(weights), np.array(errors)


@pytest.mark.medium
@pytest.mark.parametrize("n", [4, 7, 30])
def test_the_fit_is_the_weighted_mean_of_all_fits(n):
    """Fewer rows than columns, as many, and more."""
    z, answer, _, y = draw(n)
    result = ridge_with_prior(z, answer, y, PriorRidge())
    prior_weights, log_weights, weights, errors = all_fits(z, answer, y)
    share = softmax(log_weights)
    assert result.prior_weight == pytest.approx(share @ prior_weights, rel=1e-5)
    assert np.allclose(result.weights, np.tensordot(share, weights, 1), atol=1e-5)
    assert np.allclose(result.held_out, y - np.tensordot(share, errors, 1), atol=1e-5)


def test_a_good_answer_is_kept_and_a_bad_one_left():
    z, _, _, y = draw(60)
    noise = np.random.default_rng(3).standard_normal(y.shape)
    good, bad = y / y.std(), noise
    assert ridge_with_prior(z, good, y, PriorRidge()).prior_weight > 0.35
    assert ridge_with_prior(z, bad, y, PriorRidge()).prior_weight < 0.15
    assert (
        np.abs(ridge_with_prior(z, good, y, PriorRidge()).weights).sum()
        < 0.5 * np.abs(ridge_with_prior(z, bad, y, PriorRidge()).weights).sum()
    )


def test_eight_rows_decide_about_an_answer():
    """In many columns rows state little of each other: who agrees with the labels is kept, who contradicts is not."""
    z, _, _, y = draw(8, d=200, classes=2)
    assert ridge_with_prior(z, y / y.std(), y, PriorRidge()).prior_weight > 0.35
    assert ridge_with_prior(z, -y / y.std(), y, PriorRidge()).prior_weight < 0.1


@given(st.integers(2, 12), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_rows_that_repeat_do_not_disturb(n, seed):
    """Directions without variance are left out, whatever the rank."""
    z, answer, _, y = draw(n, seed=seed)
    constant = np.full((n, 1), 0.3)
    twice = ridge_with_prior(np.hstack([z, z, np.zeros((n, 3)), 2**0.5 * constant]) / 2**0.5, answer, y, PriorRidge())
    once = ridge_with_prior(np.hstack([z, constant]), answer, y, PriorRidge())
    assert np.allclose(twice.held_out, once.held_out, atol=1e-5)
    assert (twice.weights[-4:-1] == 0).all()


def test_the_intercept_goes_where_the_labels_lie():
    """As many labels of a large and a small class lie off the mean of all rows: the middle between the classes should
    get neither. Among rows that lie around their mean nothing changes."""
    z, _, labels, y = draw(8, d=200, classes=2)
    means = [z[labels == c].mean(0) for c in (0, 1)]
    away = 1.5 * (means[1] - means[0])
    missed = {}
    for scales in (INTERCEPT_SCALES, (1.0,)):
        for shift in (0, 1):
            rows = np.hstack([z - sum(means) / 2 + shift * away, np.full((8, 1), 0.3)])
            middle = (
                rows.mean(0) @ ridge_with_prior(rows, np.zeros_like(y), y, PriorRidge(intercept_scales=scales)).weights
            )
            missed[len(scales), shift] = float(np.abs(middle).max())
    assert missed[2, 1] < 0.6 * missed[1, 1]
    assert max(missed[2, 0], missed[1, 0]) < 1e-9


def test_a_great_scale_is_an_intercept_without_a_penalty():
    one = PriorRidge(intercept_scales=(300.0,), alphas=(1.0,), prior_weights=(0.0,))
    z, answer, _, y = draw(12)
    z += 1.0
    fit = Ridge(alpha=1.0).fit(z, y)
    result = ridge_with_prior(np.hstack([z, np.full((12, 1), 0.3)]), answer, y, one)
    away = 40 / 300**2  # the penalty that is left is f⁻² of the others; what it changes falls as fast
    assert np.allclose(result.weights[:-1], fit.coef_.T, atol=away)
    assert np.allclose(0.3 * result.weights[-1], fit.intercept_, atol=away)


# ---------------------------------------------------------------------------------------------- self-training


EQUAL = np.full(3, 1 / 3)


def rounds_by_hand(states, answer, labeled, labels, shares, rounds):
    share = 1 - len(labels) / len(states)
    weight = np.concatenate([np.full(len(states), share), np.full(len(labels), 10.0)])
    rows = np.vstack([states, labeled])
    penalty = 0.4 * (weight @ rows**2).mean()
    for _ in range(rounds):
        q = softmax(4 * answer / answer.std(), axis=1)
        q = q / q.mean(0) * shares
        q = np.vstack([q / q.sum(1, keepdims=True), np.eye(answer.shape[1])[labels]]) - 1 / answer.shape[1]
        fit = Ridge(alpha=penalty, fit_intercept=False).fit(rows, q, sample_weight=weight)
        answer = states @ fit.coef_.T
    return fit.coef_.T


@pytest.mark.parametrize("n", [0, 6])
@pytest.mark.parametrize("shares", [EQUAL, np.array([0.7, 0.2, 0.1])])
def test_rounds_are_weighted_ridge_regressions(n, shares):
    states, answer, *_ = draw(200)
    labeled, _, labels, _ = draw(n, seed=5) if n else (states[:0], None, np.empty(0, int), None)
    weights = self_train(states, states.T @ states, answer, labeled, labels, shares, SelfTraining(rounds=3))
    assert np.allclose(weights, rounds_by_hand(states, answer, labeled, labels, shares, 3), atol=1e-6)


def test_where_all_are_labeled_only_labels_count():
    states, answer, labels, _ = draw(90)
    first = self_train(states, states.T @ states, answer, states, labels, EQUAL, SelfTraining(rounds=3))
    second = self_train(states, states.T @ states, -answer, states, labels, EQUAL[::-1] ** 2, SelfTraining(rounds=1))
    assert np.allclose(first, second, atol=1e-7)


def test_it_finds_the_clusters_that_an_answer_hints_at():
    """Two separate clouds; the answer is right three times out of four, and ends right nearly always."""
    generator = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    states = generator.standard_normal((2000, 10)) + 2 * (labels * 2 - 1)[:, None] * np.eye(10)[0]
    hint = np.where(generator.random(2000) < 0.75, labels, 1 - labels)
    answer = np.eye(2)[hint] - 0.5 + 0.01 * generator.standard_normal((2000, 2))
    weights = self_train(
        states, states.T @ states, answer, states[:0], labels[:0], np.full(2, 0.5), SelfTraining(rounds=3)
    )
    assert ((states @ weights).argmax(1) == labels).mean() > 0.95


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_an_answer_that_says_nothing_is_survived(constant):
    states, answer, *_ = draw(50)
    blank = np.full_like(answer, constant)
    weights = self_train(states, states.T @ states, blank, states[:0], np.empty(0, int), EQUAL, SelfTraining(rounds=2))
    assert np.abs(weights).max() < 1e-12


@given(st.integers(0, 99), st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_balanced_answers_name_each_class_in_its_share(seed, classes):
    """To 1 %, from an answer that favors some classes by a factor of e² and more; one shift for all rows."""
    generator = np.random.default_rng(seed)
    answer = generator.standard_normal((300, classes)) + 2 * generator.standard_normal(classes)
    shares = generator.dirichlet(np.full(classes, 5.0))
    shift = balance(answer, shares)
    assert shift.shape == (classes,)
    assert np.allclose(softmax(answer + shift, axis=1).mean(0), shares, atol=0.01)
    assert np.allclose(balance(answer + shift, shares), 0, atol=0.1)


def posterior(n, shares, given, seed=0):
    """Logits of the exact posterior under the shares `given`, of n rows drawn under `shares`; classes are Gaussian."""
    generator = np.random.default_rng(seed)
    means = 3 * np.eye(len(shares))
    x = means[generator.choice(len(shares), n, p=shares)] + generator.standard_normal((n, len(shares)))
    return -0.5 * ((x[:, None] - means) ** 2).sum(2) + np.log(given)


@pytest.mark.parametrize("given", [[1 / 3, 1 / 3, 1 / 3], [0.2, 0.2, 0.6]])
@pytest.mark.parametrize("shares", [[0.8, 0.15, 0.05], [1 / 3, 1 / 3, 1 / 3]])
def test_shares_are_found_whatever_was_given(shares, given):
    """Those of the rows, to noise of .01 and what separated classes owe to the pull: a sixth of the way to equality."""
    result = estimate_shares(posterior(6000, shares, given), np.array(given), 0.2)
    assert result.sum() == pytest.approx(1)
    assert np.allclose(result, (np.array(shares) + 0.2 / 3) / 1.2, atol=0.025)


def test_shares_maximize_the_penalized_likelihood():
    """Σ log Σ_c p(x|c) π_c / M + .2/3 Σ log π_c: a move to either side of any class costs."""
    given = np.array([0.5, 0.3, 0.2])
    logits = posterior(500, [0.8, 0.1, 0.1], given)
    result = estimate_shares(logits, given, 0.2)

    def objective(shares):
        return np.log(np.exp(logits - np.log(given)) @ shares).mean() + 0.2 / 3 * np.log(shares).sum()

    for move in np.random.default_rng(1).standard_normal((20, 3)):
        assert objective(result + 0.005 * (move - move.mean())) < objective(result)


def test_an_answer_that_says_nothing_leaves_the_shares_equal():
    assert np.allclose(
        estimate_shares(np.zeros((9, 3)) + np.log([0.5, 0.3, 0.2]), np.array([0.5, 0.3, 0.2]), 0.2), 1 / 3
    )


# ---------------------------------------------------------------------------------------------- stacking


def test_the_stack_is_at_its_minimum():
    """The gradient of the docstring's loss vanishes, and any step away costs: the loss is convex."""
    _, answers, labels, _ = draw(50)
    start = 0.5 * np.eye(3)
    result = fit_stacking(answers, labels, start, alpha=3.0)
    excess = softmax(answers @ result, axis=1) - np.eye(3)[labels]
    assert np.abs(answers.T @ excess + 3.0 * (result - start)).max() < 1e-3

    def loss(weights):
        log_p = log_softmax(answers @ weights, axis=1)
        return 1.5 * ((weights - start) ** 2).sum() - log_p[np.arange(50), labels].sum()

    generator = np.random.default_rng(0)
    for step in generator.standard_normal((20, 3, 3)):
        assert loss(result + step) > loss(result)


def test_a_stiff_stack_stays_where_it_starts():
    _, answers, labels, _ = draw(50)
    start = np.random.default_rng(2).standard_normal((3, 3))
    assert np.allclose(fit_stacking(answers, labels, start, alpha=1e9), start, atol=1e-6)


def test_the_stack_finds_the_scale_of_the_answers():
    """Labels drawn from softmax(2 a): the weights differ from 2·1 by a shift of each row and by noise of .15."""
    generator = np.random.default_rng(0)
    answers = generator.standard_normal((5000, 3))
    labels = (np.cumsum(softmax(2 * answers, axis=1), axis=1) < generator.random((5000, 1))).sum(1)
    result = fit_stacking(answers, labels, np.eye(3), alpha=1.0)
    centered = result - result.mean(1, keepdims=True)
    assert np.allclose(centered, 2 * (np.eye(3) - 1 / 3), atol=0.15)


@given(st.integers(0, 99), st.integers(2, 40))
@settings(max_examples=20, deadline=None)
def test_the_factor_is_the_most_probable(seed, n):
    """Against scipy's scalar minimizer of the docstring's loss, to half a step of the grid."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    logits, shift = generator.standard_normal((n, 3)) + np.eye(3)[labels], generator.standard_normal(3)

    def loss(t):
        return 2 * t**2 - log_softmax(np.exp(t) * logits + shift, axis=1)[np.arange(n), labels].sum()

    expected = minimize_scalar(loss, bounds=(-1.5, 3), method="bounded").x
    result = np.log(sharpen(logits, shift, labels, 0.5))
    assert abs(result - expected) < 0.051 or loss(result) <= loss(expected)


def test_few_labels_leave_the_sharpness():
    """Of answers that deserve ten times their sharpness, one row says little, a thousand all."""
    logits = 0.3 * np.random.default_rng(0).standard_normal((1000, 3))
    true = softmax(10 * logits, axis=1)
    labels = (np.cumsum(true, axis=1) < np.random.default_rng(1).random((1000, 1))).sum(1)
    one, many = (sharpen(logits[:n], np.zeros(3), labels[:n], 0.5) for n in (1, 1000))
    assert one < 1.5
    assert many == pytest.approx(10, rel=0.15)
