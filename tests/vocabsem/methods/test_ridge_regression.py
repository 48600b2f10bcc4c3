"""Ridge regression of numbers: against scikit-learn without words, and what two words add."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.base import is_regressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from tests.vocabsem.method_data import make_space
from vocabsem.errors import DataError
from vocabsem.methods import LabelSpace, RidgeRegression
from vocabsem.methods.persistence import from_arrays, to_arrays
from vocabsem.methods.tfidf_ridge import TfidfRidge

D = 12


def space(**changes):
    return make_space(classes=2, d=D, **{"values": np.array([1.0, 9.0])} | changes)


def rated(n, seed=0, noise=0.3):
    """States (n, D), and numbers along the axis from the first word's anchor to the second's, around 5."""
    generator = np.random.default_rng([seed, n])
    low, high = space().anchors / np.linalg.norm(space().anchors, axis=1, keepdims=True)
    states = generator.standard_normal((n, D)).astype(np.float32)
    return states, 5 + 2 * states @ (high - low) + noise * generator.standard_normal(n)


def test_without_words_it_is_ridge_regression_on_standardized_states():
    X, y = rated(40)
    estimator = RidgeRegression(space(), targets="none", alphas=(2.0,), prior_weights=(0.0,)).fit(X, y)
    z = (X - X.mean(0)) / (X.std(0) * D**0.5)
    np.testing.assert_allclose(estimator.predict(X), Ridge(alpha=2.0).fit(z, y).predict(z), rtol=1e-4)


def test_penalties_are_weighed_by_leave_one_out_errors():
    X, y = rated(25)
    alphas = (0.3, 30.0)
    z = (X - X.mean(0)) / (X.std(0) * D**0.5)
    unit = (y - y.mean()) / y.std()
    held = [cross_val_predict(Ridge(alpha=alpha), z, unit, cv=LeaveOneOut()) for alpha in alphas]
    squares = np.array([((unit - each) ** 2).sum() for each in held])
    share = squares ** (-len(y) / 2) / (squares ** (-len(y) / 2)).sum()
    expected = sum(w * Ridge(alpha=alpha).fit(z, y).predict(z) for w, alpha in zip(share, alphas, strict=True))
    estimator = RidgeRegression(space(), targets="none", alphas=alphas, prior_weights=(0.0,)).fit(X, y)
    np.testing.assert_allclose(estimator.predict(X), expected, rtol=1e-4)


def test_without_labels_numbers_follow_the_words_and_spread_as_if_uniform_between_them():
    X, y = rated(500)
    estimator = RidgeRegression(space()).fit(X)
    predicted = estimator.predict(X)
    assert predicted.mean() == pytest.approx(5)
    assert predicted.std() == pytest.approx((9 - 1) / 12**0.5)
    assert spearmanr(predicted, y)[0] > 0.8
    turned = RidgeRegression(space(values=np.array([9.0, 1.0]))).fit(X).predict(X)
    np.testing.assert_allclose(turned - 5, 5 - predicted, atol=1e-6)


def test_words_help_with_few_labels_and_do_not_hurt_with_many():
    X, y = rated(2000, noise=1.0)
    test = slice(1000, None)

    def r2_of(targets, start, n):
        fitted = RidgeRegression(space(), targets=targets).fit(X[start : start + n], y[start : start + n], X)
        return r2_score(y[test], fitted.predict(X[test]))

    scores = {
        (targets, n): np.mean([r2_of(targets, start, n) for start in range(0, 200, 20)])
        for targets in ("anchors", "none", "random")
        for n in (5, 500)
    }
    assert scores["anchors", 5] > scores["none", 5] + 0.1
    assert scores["anchors", 5] > scores["random", 5] + 0.1
    assert scores["anchors", 500] == pytest.approx(scores["none", 500], abs=0.02)


@pytest.mark.parametrize("y", [[7.0], [7.0, 7.0, 7.0]])
def test_labels_of_a_single_value_move_the_level_alone(y):
    X, _ = rated(50)
    without, fitted = (RidgeRegression(space()).fit(X[: len(y)], labels, X) for labels in (None, y))
    assert fitted.predict(X[: len(y)]).mean() == pytest.approx(7)
    np.testing.assert_allclose(np.diff(fitted.predict(X)), np.diff(without.predict(X)), rtol=1e-6)


def test_another_unit_of_the_numbers_is_another_unit_of_the_predictions():
    X, y = rated(30)
    first = RidgeRegression(space()).fit(X, y).predict(X)
    second = RidgeRegression(space(values=np.array([-3.0, 13.0]))).fit(X, 100 * y - 7).predict(X)
    np.testing.assert_allclose(second, 100 * first - 7, rtol=1e-6)


def test_stored_and_read_it_predicts_the_same_to_the_bit():
    X, y = rated(30)
    fitted = RidgeRegression(space()).fit(X, y)
    read = from_arrays(*to_arrays(fitted))
    np.testing.assert_array_equal(read.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(read.space.values, [1.0, 9.0])


def test_it_is_a_regressor():
    X, y = rated(30)
    fitted = RidgeRegression(space()).fit(X, y)
    assert is_regressor(fitted)
    assert fitted.score(X, y) == pytest.approx(r2_score(y, fitted.predict(X)))
    with pytest.raises(DataError, match="have no probabilities: call predict"):
        fitted.predict_proba(X)


@pytest.mark.parametrize(
    ("changes", "y", "message"),
    [
        ({"values": None}, [1.0, 2.0], "give a label space of two with `values`"),
        ({}, [1.0, np.nan], r"labels \(2,\), expected \(2,\) finite numbers"),
        ({}, [1.0], r"labels \(1,\), expected \(2,\)"),
    ],
)
def test_refuses(changes, y, message):
    with pytest.raises(DataError, match=message):
        RidgeRegression(space(**changes)).fit(np.zeros((2, D)), y)


def test_refuses_words_that_stand_for_no_numbers():
    with pytest.raises(DataError, match="expected 2 finite numbers, one a word"):
        space(values=np.array([1.0, np.inf]))
    with pytest.raises(DataError, match="learns from labels alone"):
        RidgeRegression(space(), targets="none").fit(np.zeros((2, D)))
    three = LabelSpace(np.eye(3), np.eye(3), np.zeros(3), values=np.arange(3.0))
    with pytest.raises(DataError, match="give a label space of two"):
        RidgeRegression(three).fit(np.eye(3), [0.0, 1.0, 2.0])


TEXTS = ["a fine film", "a dull film", "fine acting here", "dull acting there", "film and acting", "here there"]
RATED = [8.0, 1.0, 9.0, 2.0, 5.0, 4.0]


def test_words_counted_are_ridge_regression_with_the_penalty_of_the_least_leave_one_out_error():
    alphas = (0.01, 0.1, 1.0, 10.0)
    estimator = TfidfRidge().fit(TEXTS, RATED)
    features = estimator._vectorizer.transform(TEXTS).toarray()
    errors = [
        np.square(cross_val_predict(Ridge(alpha=alpha), features, RATED, cv=LeaveOneOut()) - RATED).mean()
        for alpha in alphas
    ]
    expected = Ridge(alpha=alphas[int(np.argmin(errors))]).fit(features, RATED)
    np.testing.assert_allclose(estimator.predict(TEXTS), expected.predict(features), rtol=1e-6)
    np.testing.assert_allclose(estimator.coef_, expected.coef_, atol=1e-8)


def test_words_counted_of_one_text_are_its_number_and_other_labels_are_refused():
    assert TfidfRidge().fit(["a fine film"], [4.0], TEXTS).predict(["dull", "fine"]).tolist() == [4.0, 4.0]
    with pytest.raises(DataError, match=r"labels \(1,\), expected \(2,\) finite numbers"):
        TfidfRidge().fit(["fine", "dull"], [1.0])
