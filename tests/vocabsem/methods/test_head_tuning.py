"""Head tuning is a change of the label words' head rows, the most probable under its prior."""

import numpy as np
import pytest
from scipy.special import softmax

from tests.vocabsem.method_data import make_space, make_states
from vocabsem.methods import HeadTuning, LabelSpace, ZeroShot


@pytest.fixture
def space():
    return make_space(scale=0.05)


def test_it_is_the_model_with_other_head_rows(space):
    """Its changes added to the head and the bias, the zero-shot logits are its logits."""
    states, labels = make_states()
    result = HeadTuning(space).fit(states, labels)
    change = result.coef_.T.astype(np.float64) / result.scale_ / space.scale  # (C, d)
    bias = result.intercept_ / space.scale - change @ result.mean_
    tuned = LabelSpace(space.anchors, space.head + change, space.bias + bias, scale=space.scale)
    queries, _ = make_states(1)
    assert np.allclose(result.predict_proba(queries), ZeroShot(tuned).fit(states).predict_proba(queries), atol=1e-4)
    assert np.abs(result.predict_proba(queries) - ZeroShot(space).fit(states).predict_proba(queries)).max() > 0.1


@pytest.mark.parametrize("softcap", [None, 4.0])
def test_the_objective_is_minimized(softcap):
    """The gradient of the docstring's loss, written out in float64, vanishes."""
    space, (states, labels) = make_space(scale=0.05, softcap=softcap), make_states()
    background, _ = make_states(4, n=300)
    result = HeadTuning(space).fit(states, labels, unlabeled=background)
    centered = states - background.mean(0, dtype=np.float64)
    rms = np.sqrt(((background - background.mean(0, dtype=np.float64)) ** 2).mean())
    own = (states.astype(np.float64) @ space.head.T + space.bias) * 0.05
    own = softcap * np.tanh(own / softcap) if softcap else own
    excess = softmax(own + centered / rms @ result.coef_ + result.intercept_, axis=1) - np.eye(3)[labels]
    gradient = (centered / rms).T @ excess + result.alpha_ * result.coef_
    start = (centered / rms).T @ (softmax(own, axis=1) - np.eye(3)[labels])
    assert result.scale_ == pytest.approx(rms, rel=1e-5)
    # the stopping rule is a relative decrease of 1e-7 in the loss
    assert np.linalg.norm(gradient) < 1e-3 * np.linalg.norm(start)


def test_a_strong_prior_leaves_the_model_s_answer(space):
    states, labels = make_states()
    own = ZeroShot(space).fit(states).predict_proba(states)
    assert np.allclose(HeadTuning(space, alphas=(1e9,)).fit(states, labels).predict_proba(states), own, atol=1e-3)


def test_a_head_that_knows_helps_at_few_labels():
    """States around the head rows themselves: the model is right before it sees a label, a probe is not."""
    generator = np.random.default_rng(0)
    space = make_space(d=64)
    labels = np.arange(300) % 3
    states = (space.head[labels] * 0.3 + generator.standard_normal((300, 64))).astype(np.float32)
    space = LabelSpace(space.anchors, space.head, np.zeros(3))
    own = ZeroShot(space).fit(states).score(states, labels)
    result = HeadTuning(space).fit(states[:6], labels[:6], unlabeled=states)
    assert own > 0.8
    assert result.score(states[6:], labels[6:]) > own - 0.05


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_length_of_states_does_not_matter(space, factor):
    """States longer and head rows shorter are the same model, and so is what is learned."""
    states, labels = make_states()
    other = LabelSpace(space.anchors, space.head / np.float32(factor), space.bias, scale=space.scale)
    first = HeadTuning(space).fit(states, labels).predict_proba(states)
    second = HeadTuning(other).fit(states * factor, labels).predict_proba(states * factor)
    assert np.allclose(first, second, atol=1e-3)


def test_equal_states_are_not_divided_by_zero(space):
    states = np.repeat(make_states(n=1)[0], 6, axis=0)
    result = HeadTuning(space).fit(states, np.array([0, 0, 0, 0, 1, 2]))
    assert np.isfinite(result.predict_proba(states)).all()
