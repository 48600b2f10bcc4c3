"""Ridge of ranks: the axis of the words, left-out rows, and thresholds as a general optimizer has them."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import Ridge
from sklearn.metrics import cohen_kappa_score

from tests.vocabsem.method_data import make_space
from vocabsem.methods import OrdinalRidge, RidgeProbe
from vocabsem.methods._solvers.cumulative_logit import fit_thresholds, log_probabilities
from vocabsem.methods.persistence import from_arrays, to_arrays

D, CLASSES = 24, 5


def ratings(seed=0, n=60, noise=1.0, absent=()):
    """States around a line on which the classes follow each other, and the labels."""
    generator = np.random.default_rng(seed)
    labels = np.array([c for c in range(CLASSES) if c not in absent])[np.arange(n) % (CLASSES - len(absent))]
    line = np.random.default_rng(7).standard_normal(D)
    line /= np.linalg.norm(line)
    states = np.outer(labels - 2, line) * 3 + noise * generator.standard_normal((n, D))
    return (states + 1).astype(np.float32), labels, line


def words_along(line, agreement=1.0):
    """A label space whose anchors lie along the line, or in other directions."""
    space = make_space(classes=CLASSES, d=D)
    space.anchors[:] = agreement * np.outer(np.arange(CLASSES) - 2, line) + 0.3 * space.anchors
    return space


def class_probabilities(u, k, thresholds):
    """Proportional odds, class by class."""
    below = [np.zeros(len(u)), *(expit(k * (t - u)) for t in thresholds), np.ones(len(u))]
    return np.diff(below, axis=0).T


def test_probabilities_are_those_of_proportional_odds_and_keep_their_digits_in_the_tails():
    u, thresholds = np.linspace(-3, 3, 31), np.array([-1.0, -0.2, 0.1, 2.0])
    result = log_probabilities(u, 2.5, thresholds)
    np.testing.assert_allclose(np.exp(result), class_probabilities(u, 2.5, thresholds), atol=1e-14)
    # far below all thresholds the odds of the two highest classes are those of their logistic tails
    far = log_probabilities(np.array([-400.0]), 2.0, thresholds)[0]
    assert far[4] == pytest.approx(-2 * 402)
    assert far[3] == pytest.approx(-2 * 400.1 + np.log1p(-np.exp(-2 * 1.9)))


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize(("n", "middle", "deviation"), [(6, 2.0, 1.0), (200, 2.0, 1.0), (6, 0.5, 0.3)])
def test_thresholds_have_the_largest_likelihood_with_a_row_of_each_class_at_its_rank(classes, n, middle, deviation):
    generator = np.random.default_rng(n)
    labels = generator.integers(classes, size=n)
    scores = (labels - labels.mean()) / 1.5 + generator.standard_normal(n)
    k, thresholds = fit_thresholds(scores, labels, classes, sharpness=middle, deviation=deviation)
    ranks = np.arange(classes) - np.mean(np.arange(classes))
    u, y = np.r_[scores, ranks / ranks.std()], np.r_[labels, np.arange(classes)]

    def cost(parameters):
        sharpness, edges = np.exp(parameters[0]), np.sort(parameters[1:])
        p = class_probabilities(u, sharpness, edges)[np.arange(len(u)), y]
        return -np.log(np.maximum(p, 1e-300)).sum() + 0.5 * ((parameters[0] - np.log(middle)) / deviation) ** 2

    result = np.r_[np.log(k), thresholds]
    options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-9, "fatol": 1e-12}
    rival = minimize(cost, result + 0.05, method="Nelder-Mead", options=options)
    assert cost(result) == pytest.approx(rival.fun, abs=1e-6)
    np.testing.assert_allclose(result, rival.x, atol=2e-3)  # cost is flat: 1e-6 of it is 1e-3 of them
    assert (np.diff(thresholds) > 0).all()


def test_with_one_penalty_and_no_axis_the_scores_are_scikit_learn_s():
    X, y, _ = ratings()
    method = OrdinalRidge(alphas=[3.0], prior_weights=[0.0]).fit(X, y)
    z = (X - X.mean(0)) / X.std(0) / D**0.5
    expected = Ridge(3.0).fit(z, (y - y.mean()) / y.std()).predict(z)
    scores = method._with_constant(X) @ method.coef_
    # states and ranks are centered, so that no intercept is penalized; the solver multiplies in float32
    np.testing.assert_allclose(scores / scores.std(), expected / expected.std(), atol=1e-5)


def test_thresholds_are_learned_from_rows_left_out():
    """With more columns than rows the fit is exact, and thresholds learned from it would be certain of themselves."""
    X, y, _ = ratings(n=15, noise=6.0)
    method = OrdinalRidge(alphas=[1e-3], prior_weights=[0.0]).fit(X, y)
    fitted = method._with_constant(X) @ method.coef_
    assert np.corrcoef(fitted, y)[0, 1] > 0.99
    assert method.sharpness_ < 2 < fit_thresholds(fitted / fitted.std(), y, CLASSES)[0]


def test_the_axis_of_the_words_decides_where_labels_are_few():
    X, y, line = ratings(n=10, noise=4.0)
    tested, truth, _ = ratings(1, n=400, noise=4.0)
    texts = ratings(2, n=400, noise=4.0)[0]

    def kappa(**params):
        space = words_along(line)
        predicted = OrdinalRidge(space, **params).fit(X, y, unlabeled=texts).predict(tested)
        return cohen_kappa_score(truth, predicted, weights="quadratic")

    assert kappa() > kappa(targets="none") + 0.05
    assert kappa() > kappa(targets="random") + 0.05


def test_an_axis_that_contradicts_the_labels_is_left():
    X, y, line = ratings(n=100)
    good, bad = (OrdinalRidge(words_along(line, sign)).fit(X, y) for sign in (1, -1))
    agree = (good.predict(X) == bad.predict(X)).mean()
    assert agree > 0.9
    assert (bad.predict(X) == y).mean() > 0.8


def test_errors_are_nearer_than_those_of_ridge_on_single_classes():
    X, y, _ = ratings(n=25, noise=3.0)
    tested, truth, _ = ratings(1, n=500, noise=3.0)
    away = {kind: np.abs(kind().fit(X, y).predict(tested) - truth).mean() for kind in (OrdinalRidge, RidgeProbe)}
    assert away[OrdinalRidge] < away[RidgeProbe] - 0.05


@pytest.mark.parametrize("absent", [2, 4])
def test_a_class_without_an_example_keeps_its_place_in_the_order(absent):
    X, y, line = ratings(n=80, absent=[absent])
    tested, truth, _ = ratings(1, n=500)
    method = OrdinalRidge(words_along(line)).fit(X, y)
    assert (np.diff(method.thresholds_) > 0).all()
    p = method.predict_proba(tested)
    assert p.shape == (500, CLASSES)
    assert p[truth == absent, absent].mean() > 2 * p[truth != absent, absent].mean()


def test_layers_lie_side_by_side_and_a_stored_one_predicts_the_same():
    X, y, line = ratings()
    both = np.hstack([X[:, ::-1], X])
    method = OrdinalRidge(words_along(line), layers=2).fit(both, y)
    assert method.coef_.shape == (2 * D + 1,)
    again = from_arrays(*to_arrays(method))
    np.testing.assert_array_equal(again.predict_proba(both), method.predict_proba(both))


def test_classes_of_any_numbers_keep_their_order():
    X, y, _ = ratings()
    stars = np.array([1, 2, 3, 4, 10])[y]
    method = OrdinalRidge().fit(X, stars)
    assert method.classes_.tolist() == [1, 2, 3, 4, 10]
    assert (method.predict(X) == stars).mean() > 0.8


@pytest.mark.parametrize("targets", ["none", "anchors"])
def test_turning_the_order_of_classes_and_words_turns_the_probabilities(targets):
    X, y, line = ratings()
    space = words_along(line)
    first = OrdinalRidge(space, targets=targets).fit(X, y)
    turned = OrdinalRidge(space.take(np.arange(CLASSES)[::-1]), targets=targets).fit(X, CLASSES - 1 - y)
    np.testing.assert_allclose(turned.predict_proba(X)[:, ::-1], first.predict_proba(X), atol=0.02)  # flat cost
    assert (turned.predict(X) == CLASSES - 1 - first.predict(X)).mean() > 0.98


def test_units_and_origins_of_the_columns_decide_nothing():
    X, y, _ = ratings()
    scales = 2.0 ** np.random.default_rng(3).integers(-4, 5, D)
    moved = ((X + np.arange(D)) * scales).astype(np.float32)
    expected = OrdinalRidge().fit(X, y).predict_proba(X)
    np.testing.assert_allclose(OrdinalRidge().fit(moved, y).predict_proba(moved), expected, atol=1e-3)  # float32


def test_probabilities_have_one_peak_and_move_up_along_the_line():
    X, y, line = ratings()
    method = OrdinalRidge(words_along(line)).fit(X, y)
    p = method.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    order = (method._with_constant(X) @ method.coef_).argsort()
    assert (np.diff(p[order].cumsum(axis=1), axis=0) < 1e-12).all(), "P(class ≤ c) falls with the score, for every c"
    assert (np.diff(method.predict(X)[order]) >= 0).all()
