"""The calibrations against the published formulas, transcribed."""

import numpy as np
import pytest
from scipy.special import softmax

from tests.vocabsem.method_data import D, make_space, make_states
from vocabsem.errors import DataError
from vocabsem.methods import BatchCalibration, ContextualCalibration, DomainCalibration

ALL = [ContextualCalibration, DomainCalibration, BatchCalibration]


def label_probabilities(space, states):
    """p(y|x), normalized over the label words, from the model's logits."""
    return softmax((states.astype(np.float64) @ space.head.T.astype(np.float64) + space.bias) * space.scale, axis=1)


def normalized(rows):
    return rows / rows.sum(axis=1, keepdims=True)


@pytest.fixture
def space():
    return make_space(scale=0.1)


@pytest.fixture
def background():
    return make_states(seed=5, n=12)[0]


def test_contextual_calibration(space, background):
    """Zhao et al. 2021, §5: W = diag(p̂_cf)⁻¹, b = 0, q̂ = W p̂ + b; p̂_cf the mean over the content-free inputs."""
    states, _ = make_states()
    p_cf = label_probabilities(space, background).mean(axis=0)
    q = (np.linalg.inv(np.diag(p_cf)) @ label_probabilities(space, states).T).T
    result = ContextualCalibration(space).fit(states, unlabeled=background)
    assert np.allclose(result.predict_proba(states), normalized(q), atol=1e-12)


def test_domain_calibration(space, background):
    """Fei et al. 2023, eq. 3 and 4: p̄(y) = 1/T Σ_t P(y|[random text]_t); ŷ = argmax P(y|x) / p̄(y)."""
    states, _ = make_states()
    mean = sum(label_probabilities(space, background[t : t + 1])[0] for t in range(12)) / 12
    ratio = label_probabilities(space, states) / mean
    result = DomainCalibration(space).fit(states, unlabeled=background)
    assert np.array_equal(result.predict(states), ratio.argmax(axis=1))
    assert np.allclose(result.predict_proba(states), normalized(ratio), atol=1e-12)


def test_batch_calibration(space):
    """Zhou et al. 2024, eq. 4 and 5: p̂(y_j) = E_x[p(y_j|x)] over the batch; log-probabilities shifted by its log."""
    states, _ = make_states()
    batch = make_states(seed=2, n=50)[0]
    shifted = np.log(label_probabilities(space, states)) - np.log(label_probabilities(space, batch).mean(axis=0))
    result = BatchCalibration(space).fit(states[:0], unlabeled=batch)
    assert np.allclose(result.predict_proba(states), softmax(shifted, axis=1), atol=1e-12)


@pytest.mark.parametrize("method", ALL)
def test_an_answer_that_is_always_the_same_is_calibrated_away(method):
    """Calibrated on one input, that input's classes are equally probable, whatever the model prefers."""
    space, (states, _) = make_space(), make_states()
    result = method(space).fit(states, unlabeled=states[:1])
    assert np.allclose(result.predict_proba(states[:1]), 1 / 3)
    assert result.predict_proba(states).max() > 0.5


@pytest.mark.parametrize("method", ALL)
def test_a_bias_of_the_head_changes_nothing_beside_one_input(method):
    """A constant added to a label word's logits is in both probabilities."""
    plain, (states, _) = make_space(), make_states()
    biased = type(plain)(plain.anchors, plain.head, plain.bias + np.float32([9, -4, 0]))
    first, second = (method(space).fit(states, unlabeled=states[:1]).predict_proba(states) for space in (plain, biased))
    assert np.allclose(first, second, atol=1e-12)


@pytest.mark.parametrize("method", ALL)
def test_improbable_classes_do_not_underflow(method):
    """Probabilities down to e^-4000, beyond the smallest double."""
    space, (states, _) = make_space(scale=100.0), make_states()
    assert label_probabilities(space, states).min() == 0
    result = method(space).fit(states).predict_proba(states)
    assert np.isfinite(result).all()
    assert np.allclose(result.sum(axis=1), 1)


@pytest.mark.parametrize("method", ALL)
def test_asks_for_its_background(method):
    with pytest.raises(DataError, match=f"{method.name}: no background states: .* {method.background} prompts"):
        method(make_space()).fit(np.empty((0, D)))


def test_they_differ_in_their_background_only():
    states, _ = make_states()
    first, *others = (method(make_space()).fit(states).predict_proba(states) for method in ALL)
    assert [method.background for method in ALL] == ["content_free", "domain_words", "train"]
    assert all(np.array_equal(first, other) for other in others)
