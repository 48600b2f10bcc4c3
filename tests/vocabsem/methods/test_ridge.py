"""Ridge against scikit-learn's, and its leave-one-out errors against leaving each row out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import Ridge as ScikitRidge

from tests.vocabsem.method_data import D, make_space, make_states
from vocabsem.arrays import mean_and_deviation
from vocabsem.errors import TrainingFailed
from vocabsem.methods import RidgeProbe
from vocabsem.methods.ridge import ALPHAS
from vocabsem.methods.ridge import ridge as solve


def ridge(z, y, alphas=ALPHAS):
    return solve(z, y, np.array(alphas), 300.0)


def prepared(seed=0, n=40, **options):
    states, labels = make_states(seed, n=n, **options)
    mean, deviation = mean_and_deviation(states)
    return ((states - mean) / deviation).astype(np.float64), labels, np.eye(3)[labels]


def left_out(z, y, penalty):
    """Each row's estimate from a fit to all the others, (N, C)."""
    rows = np.arange(len(z))
    return np.stack([ScikitRidge(penalty).fit(z[rows != i], y[rows != i]).predict(z[[i]])[0] for i in rows])


# more rows than columns, as many, fewer, and hardly any: the last two by the other Gram matrix
sizes = pytest.mark.parametrize("n", [40, D, 9, 3])


@sizes
@pytest.mark.parametrize("penalty", [0.5, 30.0, 1e4])
def test_weights_are_scikit_learn_s(n, penalty):
    z, _, y = prepared(n=n)
    weights, intercepts, chosen, _ = ridge(z, y, np.array([penalty]))
    rival = ScikitRidge(penalty).fit(z, y)
    assert chosen == penalty
    assert np.allclose(weights, rival.coef_.T, atol=1e-10)
    assert np.allclose(intercepts, rival.intercept_, atol=1e-10)


@sizes
@pytest.mark.parametrize("penalty", [0.5, 30.0, 1e4])
def test_estimates_are_those_without_the_row(n, penalty):
    z, _, y = prepared(n=n)
    assert np.allclose(ridge(z, y, np.array([penalty]))[3], left_out(z, y, penalty), atol=1e-9)


def test_blocks_change_nothing(monkeypatch):
    z, _, y = prepared(n=40)
    whole = ridge(z, y, ALPHAS)
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 8 * 7 * z.shape[1])
    assert all(np.allclose(a, b, atol=1e-12) for a, b in zip(ridge(z, y, ALPHAS), whole, strict=True))


@pytest.mark.medium
@given(seed=st.integers(0, 100), distance=st.sampled_from([0.0, 1.0, 4.0]))
@settings(max_examples=8, deadline=None)
def test_the_alpha_has_the_least_error_of_the_left_out(seed, distance):
    """But for the prior, of which these few rows keep a little."""
    z, _, y = prepared(seed, n=15, distance=distance)
    errors = np.array([((y - left_out(z, y, penalty)) ** 2).sum() for penalty in ALPHAS])
    costs = 15 / 2 * np.log(errors) + np.log(np.array(ALPHAS) / 300) ** 2 / 2
    assert costs[ALPHAS.index(ridge(z, y, ALPHAS)[2])] == pytest.approx(costs.min(), abs=1e-9)


def test_the_prior_on_the_alpha_fades_as_labels_grow():
    """On noise the errors ask for the strongest penalty, on signal for a weak one: two rows cannot, many can."""
    chosen = lambda n, distance: ridge(*prepared(n=n, distance=distance)[::2], ALPHAS)[2]  # noqa: E731
    assert 100 < chosen(3, 0.0) < 1000
    assert chosen(3000, 0.0) > 1000
    assert chosen(3000, 6.0) < 100


@pytest.mark.parametrize("layers", [1, 2])
def test_probabilities_by_definition(layers):
    states, labels = make_states(n=60, d=D * layers)
    background, _ = make_states(3, n=200, d=D * layers)
    result = RidgeProbe(make_space(), layers=layers).fit(states, labels, unlabeled=background)
    z = lambda rows: (rows - background.mean(0, dtype=np.float64)) / background.std(0, dtype=np.float64) / layers**0.5  # noqa: E731
    rival = ScikitRidge(result.alpha_).fit(z(states), np.eye(3)[labels])
    queries, _ = make_states(1, d=D * layers)
    expected = softmax(result.sharpness_ * rival.predict(z(queries)), axis=1)
    assert np.allclose(result.predict_proba(queries), expected, atol=1e-4)  # μ and σ are kept in float32


def test_the_temperature_has_the_largest_likelihood_of_the_left_out():
    states, labels = make_states(n=60, distance=3)
    result = RidgeProbe(make_space()).fit(states, labels)
    z, _, y = prepared(n=60, distance=3)
    estimates = left_out(z, y, result.alpha_)

    def cost(beta):
        p = softmax(beta * estimates, axis=1)[np.arange(60), labels]
        return 0.5 * np.log(beta / 5) ** 2 - np.log(p).sum()

    grid = np.geomspace(0.2, 90, 2000)
    assert result.sharpness_ == pytest.approx(grid[np.argmin([cost(beta) for beta in grid])], rel=0.01)


def test_noise_is_not_trusted_and_signal_is():
    sharpness = {d: RidgeProbe(make_space()).fit(*make_states(n=300, distance=d)).sharpness_ for d in (0.0, 6.0)}
    assert sharpness[0.0] < 5 < sharpness[6.0]


def test_the_same_states_say_nothing():
    states = np.repeat(make_states(n=1)[0], 6, axis=0)
    result = RidgeProbe(make_space()).fit(states, np.array([0, 0, 0, 1, 1, 2]))
    assert result.predict(states).tolist() == [0] * 6
    assert np.isfinite(result.predict_proba(states)).all()


def test_infinite_states_are_an_error():
    states, labels = make_states()
    with pytest.raises(TrainingFailed, match="became infinite: check the scale"), np.errstate(over="ignore"):
        RidgeProbe(make_space()).fit(states * np.float32(1e30), labels, unlabeled=states * np.float32(1e-12))
