"""The temperature against a grid, a closed form and scikit-learn's folds; that it fixes what it should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from tests.vocabsem.method_data import CLASSES, make_space, make_states
from vocabsem.evaluation.temperature import cross_fitted_temperature, fit_temperature
from vocabsem.methods import Centroid, LinearProbe


def sampled(temperature, n=4000, seed=0):
    """Labels drawn from softmax(logits / temperature)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, 4)) * 3
    noise = generator.gumbel(size=logits.shape)
    return (logits / temperature + noise).argmax(axis=1), logits


def objective(labels, logits, temperature):
    loss = -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].sum()
    return loss + (1 / temperature + np.log(temperature))


@pytest.mark.parametrize("truth", [0.3, 1.0, 4.0])
def test_finds_the_temperature_the_labels_were_drawn_with(truth):
    # log T has a standard error of about 1/60 with 4,000 rows of this information
    assert fit_temperature(*sampled(truth)) == pytest.approx(truth, rel=0.08)


@given(seed=st.integers(0, 10_000), n=st.integers(0, 30), scale=st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_nothing_near_or_far_is_better(seed, n, scale):
    labels, logits = sampled(1.0, n, seed)
    logits = logits * scale
    best = fit_temperature(labels, logits)
    least = objective(labels, logits, best)
    for other in (*(best * np.array([0.99, 1.01])), *np.geomspace(1e-3, 1e3, 25)):
        assert least <= objective(labels, logits, other) + 1e-9 * (1 + abs(least))


def test_without_rows_or_without_a_difference_it_is_one():
    assert fit_temperature(np.empty(0, np.int64), np.empty((0, 3))) == pytest.approx(1)
    assert fit_temperature(np.array([0, 1]), np.full((2, 3), 7.0)) == pytest.approx(1)


def test_where_every_row_is_right_it_stays_above_zero():
    """One row of margin 1, two classes: β − 1 = β σ(−β) has the root 1.35…"""
    beta = 1 / fit_temperature(np.array([0]), np.array([[1.0, 0.0]]))
    assert beta - 1 == pytest.approx(beta / (1 + np.exp(beta)))
    assert beta > 1
    many = fit_temperature(np.zeros(500, np.int64), np.tile([1.0, 0.0], (500, 1)))
    assert 0.05 < many < 1 / beta


def test_huge_logits_are_no_trouble():
    labels, logits = sampled(1.0)
    assert fit_temperature(labels, logits * 1e6 + 1e8) == pytest.approx(1e6 * fit_temperature(labels, logits), rel=0.01)


def test_is_that_of_the_held_out_answers():
    from sklearn.model_selection import StratifiedKFold

    X, y = make_states(n=90)
    space = make_space()
    answers = np.empty((90, CLASSES))
    for fitted, held in StratifiedKFold(3, shuffle=True, random_state=7).split(X, y):
        answers[held] = Centroid(space).fit(X[fitted], y[fitted], X).predict_proba(X[held])
    expected = fit_temperature(y, np.log(answers))
    assert cross_fitted_temperature(lambda: Centroid(space), X, y, X, cv=3, random_state=7) == pytest.approx(expected)


@pytest.mark.parametrize("method", [Centroid, LinearProbe])
def test_makes_the_probabilities_of_unseen_rows_fit_better_or_no_worse(method):
    X, y = make_states(n=400, distance=1.0)
    space = make_space()
    fitted = method(space).fit(X[:200], y[:200])
    before = log_loss(y[200:], fitted.predict_proba(X[200:]))
    fitted.temperature_ = cross_fitted_temperature(lambda: method(space), X[:200], y[:200], X[:200])
    assert log_loss(y[200:], fitted.predict_proba(X[200:])) < before + 0.01


@pytest.mark.parametrize("y", [[], [0, 1, 2], [0, 0, 0, 1, 1, 2]], ids=str)
def test_where_a_class_cannot_be_held_out_it_is_one(y):
    y = np.array(y, np.int64)
    X, _ = make_states(n=6)

    def never():
        raise AssertionError("nothing is to be fitted")

    assert cross_fitted_temperature(never, X[: len(y)], y, X) == 1.0


def test_two_of_each_class_are_two_folds():
    X, y = make_states(n=6)
    fitted = []

    def make():
        fitted.append(1)
        return Centroid(make_space())

    assert 0 < cross_fitted_temperature(make, X, y, X) < np.inf
    assert len(fitted) == 2


def test_many_rows_are_capped_and_a_rare_class_is_kept():
    X, y = make_states(n=6000)
    y[y == 2] = 0
    y[:3] = 2
    seen = []

    class Watched(Centroid):
        def _fit(self, states, labels, background):
            seen.append((len(labels), (labels == 2).sum(), len(background)))
            super()._fit(states, labels, background)

    cross_fitted_temperature(lambda: Watched(make_space()), X, y, X)
    assert [rows for rows, *_ in seen] == [pytest.approx(1000 / 2, abs=2)] * 2, "two folds: class 2 has two rows"
    assert {(rare, background) for _, rare, background in seen} == {(1, 6000)}
