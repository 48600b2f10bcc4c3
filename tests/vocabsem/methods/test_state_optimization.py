"""The shift of the states against torch's gradients of the same loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from tests.vocabsem.method_data import D, make_space, make_states
from vocabsem.methods import LabelSpace, StateOptimization, ZeroShot
from vocabsem.methods.state_optimization import STEP_SIZES, STEPS


def descend(space, states, labels, steps, size):
    """δ (d,) after so many steps on the mean cross-entropy of the model's own logits at h + δ."""
    h, head, bias = (torch.tensor(a, dtype=torch.float64) for a in (states, space.head, space.bias))
    y = torch.tensor(labels)
    rate = size * 2 / float(torch.linalg.matrix_norm(head * space.scale, 2)) ** 2
    shift = torch.zeros(states.shape[1], dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        logits = ((h + shift) @ head.T + bias) * space.scale
        if space.softcap is not None:
            logits = space.softcap * torch.tanh(logits / space.softcap)
        (grad,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, y), shift)
        shift = (shift - rate * grad).detach().requires_grad_()
    return shift.detach().numpy()


def loss(space, states, labels, shift=0.0):
    log_p = log_softmax(space.label_logits(states + shift), axis=1)
    return -log_p[np.arange(len(labels)), labels].mean()


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("scale", [0.05, 1.0])
@pytest.mark.parametrize("n", [5, 60])
def test_the_shift_is_that_of_gradient_descent(softcap, scale, n):
    space, (states, labels) = make_space(softcap=softcap, scale=scale), make_states(n=n)
    result = StateOptimization(space).fit(states, labels)
    shift = descend(space, states, labels, result.n_iter_, result.step_size_)
    assert np.allclose(result.shift_, shift, atol=1e-9)
    moved = ZeroShot(space).fit(states).predict_proba(states + shift.astype(np.float32))
    assert np.allclose(result.predict_proba(states), moved, atol=1e-4)  # h + δ rounded to float32


@given(seed=st.integers(0, 100), scale=st.sampled_from([0.01, 0.1, 1.0]), size=st.sampled_from(STEP_SIZES))
@settings(max_examples=15, deadline=None)
def test_no_step_overshoots(seed, scale, size):
    space, (states, labels) = make_space(seed, scale=scale), make_states(seed)
    result = StateOptimization(space)
    shifts = result._shifts(space.linear_logits(states), labels, size, STEPS)
    losses = [loss(space, states, labels, shifts[steps]) for steps in STEPS]
    assert np.diff(losses).max() < 1e-12  # the last steps of a loss that has settled are rounding


@pytest.mark.medium
def test_steps_and_size_are_those_of_a_naive_search():
    space, (states, labels) = make_space(scale=0.05), make_states(n=43)
    fold = np.empty(43, int)
    fold[np.argsort(labels, kind="stable")] = np.arange(43) % 5
    costs = {}
    for size in STEP_SIZES:
        for steps in STEPS:
            shifts = [descend(space, states[fold != f], labels[fold != f], steps, size) for f in range(5)]
            costs[steps, size] = sum(
                loss(space, states[fold == f], labels[fold == f], shifts[f]) * (fold == f).sum() for f in range(5)
            )
    result = StateOptimization(space).fit(states, labels)
    assert costs[result.n_iter_, result.step_size_] == pytest.approx(min(costs.values()), rel=1e-12)
    assert np.ptp(list(costs.values())) > 0.1


def test_few_rows_take_the_usual_steps():
    result = StateOptimization(make_space()).fit(*make_states(n=9))
    assert (result.n_iter_, result.step_size_) == (10, 1.0)


def test_a_bias_of_the_model_is_learned_away():
    """A model that is right but for a constant on one label word: the shift takes the constant back."""
    generator = np.random.default_rng(0)
    plain = make_space()
    labels = np.arange(300) % 3
    states = (plain.head[labels] * 0.3 + generator.standard_normal((300, D)) * 0.3).astype(np.float32)
    fair, biased = (LabelSpace(plain.anchors, plain.head, np.float32([b, 0, 0])) for b in (0, 20))
    assert ZeroShot(fair).fit(states).score(states, labels) > 0.9
    assert ZeroShot(biased).fit(states).score(states, labels) < 0.4
    result = StateOptimization(biased).fit(states[:60], labels[:60])
    assert result.score(states[60:], labels[60:]) > 0.9


def test_a_model_that_is_right_is_left_alone():
    generator = np.random.default_rng(0)
    space = make_space(scale=0.1)
    states = generator.standard_normal((3000, D)).astype(np.float32) * 5
    own = ZeroShot(space).fit(states).predict_proba(states)
    labels = np.array([generator.choice(3, p=p) for p in own])
    result = StateOptimization(space).fit(states, labels)
    assert np.abs(result.predict_proba(states) - own).max() < 0.05
