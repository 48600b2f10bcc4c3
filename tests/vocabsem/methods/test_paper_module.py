"""Modules trained side by side against each trained alone by torch's own gradients, in float64 and float32."""

import numpy as np
import pytest
import torch

from tests.vocabsem.method_data import D, make_space, make_states, make_whole_space
from vocabsem.errors import TrainingFailed
from vocabsem.label_space import target_vectors
from vocabsem.methods import Centroid, LinearProbe, PaperCalibrator, RidgeProbe, VocabularyCalibrator, base
from vocabsem.methods._solvers.paper_module import PaperModule, Stack
from vocabsem.vocabulary.similarity import similarity_logits

VARIANTS = [  # of one settings: each with its own weights, order, pace and rows
    {"random_state": 0, "learning_rate": 1e-3},
    {"random_state": 1, "learning_rate": 1e-2},
    {"random_state": 2, "learning_rate": 1e-3, "weight_decay": 0.1},
    {"random_state": 3, "targets": "random"},
    {"random_state": 4, "targets": "head", "inferred_by": "matmul"},
]


def alone(space, states, labels, *, metric="cosine", epochs=3, batch_size=16, dtype=torch.float64, **variant):
    """λ of one calibrator by an ordinary loop of torch."""
    seed = variant["random_state"]
    generator = torch.Generator().manual_seed(seed)
    module = PaperModule.random(space.width, generator).to(dtype)
    rates = {"lr": variant.get("learning_rate", 1e-3), "weight_decay": variant.get("weight_decay", 0.0)}
    optimizer = torch.optim.Adam(module.parameters(), **rates)
    targets = torch.from_numpy(target_vectors(space, variant.get("targets", "anchors"), seed)).to(dtype)
    r, y = torch.from_numpy(states).to(dtype), torch.from_numpy(labels)
    for _ in range(epochs):
        for rows in torch.randperm(len(y), generator=generator).split(batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(similarity_logits(module(r[rows]), targets, metric), y[rows]).backward()
            optimizer.step()
    return {name: parameter.detach().numpy() for name, parameter in module.state_dict().items()}


def together(space, data, variants, **settings):
    estimators = [PaperCalibrator(space, **settings, **variant) for variant in variants]
    x, y = zip(*data, strict=True)
    PaperCalibrator.fit_together(estimators, x, y, [None] * len(x))
    return estimators


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_in_float64_each_is_what_it_would_be_alone(metric):
    space, data = make_space(), [make_states(seed, n=50) for seed in range(5)]
    settings = {"metric": metric, "epochs": 3, "batch_size": 16}
    result = together(space, data, VARIANTS, dtype="float64", **settings)
    for estimator, (states, labels), variant in zip(result, data, VARIANTS, strict=True):
        expected = alone(space, states, labels, **settings, **variant)
        for name, weights in estimator.state_dict_.items():
            # stored as float32, whose rounding of weights below 1 is 6e-8
            np.testing.assert_allclose(weights, expected[name], atol=1e-7, err_msg=name)


def test_in_float32_they_differ_by_rounding():
    space, data = make_space(), [make_states(seed, n=50) for seed in range(5)]
    for estimator, (states, labels), variant in zip(
        together(space, data, VARIANTS, epochs=3, batch_size=16), data, VARIANTS, strict=True
    ):
        expected = alone(space, states, labels, dtype=torch.float32, **variant)
        for name, weights in estimator.state_dict_.items():
            # Adam divides by √v: gradients that are rounding may move a weight by a step, hence the mean
            assert np.abs(weights - expected[name]).mean() < 1e-5, name


def test_a_single_fit_is_a_stack_of_one():
    space, (states, labels) = make_space(), make_states()
    one = PaperCalibrator(space, epochs=3, batch_size=16, random_state=1).fit(states, labels)
    first, second = together(
        space, [(states, labels)] * 2, [{"random_state": 1}, {"random_state": 2}], epochs=3, batch_size=16
    )
    np.testing.assert_allclose(first.predict_proba(states), one.predict_proba(states), atol=1e-5)
    assert np.abs(first.predict_proba(states) - second.predict_proba(states)).max() > 1e-3


def test_rows_that_are_shared_and_rows_that_are_copied_teach_the_same():
    space, (states, labels) = make_space(), make_states()
    variants = [{"random_state": 0}, {"random_state": 1}]
    shared = together(space, [(states, labels)] * 2, variants, epochs=2)
    copied = together(space, [(states, labels), (states.copy(), labels)], variants, epochs=2)
    for one, other in zip(shared, copied, strict=True):
        assert one.predict_proba(states).tobytes() == other.predict_proba(states).tobytes()


def test_what_differs_in_its_settings_is_fitted_apart():
    space, data = make_whole_space(), [make_states(n=40), make_states(n=60), make_states(n=60)]
    variants = [{"epochs": 2}, {"epochs": 2}, {"epochs": 2, "trained_on": "vocabulary"}]
    for estimator, (states, labels), variant in zip(together(space, data, variants), data, variants, strict=True):
        single = PaperCalibrator(space, **variant).fit(states, labels)
        np.testing.assert_allclose(estimator.predict_proba(states), single.predict_proba(states), atol=1e-5)


def test_products_in_bfloat16_answer_alike():
    space, (states, labels) = make_space(), make_states(n=900, distance=4)
    plain, quick = (
        PaperCalibrator(space, dtype=dtype, epochs=10, batch_size=64).fit(states[:600], labels[:600])
        for dtype in ("float32", "bfloat16")
    )
    assert plain.score(states[600:], labels[600:]) > 0.7
    agree = np.mean(plain.predict(states[600:]) == quick.predict(states[600:]))
    assert agree > 0.97, "of 300 answers, 9 near the border may turn"
    assert all(weights.dtype == np.float32 for weights in quick.state_dict_.values())


def test_gradients_are_torch_s():
    """Every parameter of every module, ReLUs shut and open, against backward() of the plain module."""
    modules = [PaperModule.random(D, torch.Generator().manual_seed(seed)) for seed in range(3)]
    stack = Stack(modules, [0.0] * 3, [0.0] * 3, torch.float64)
    r, y = torch.randn(3, 7, D, dtype=torch.float64), torch.zeros(3, 7, dtype=torch.int64)
    slope = torch.randn(3, 7, D, dtype=torch.float64)
    losses = stack.step(r, y, lambda moved, _: (moved * slope).sum(dim=(1, 2)))
    for index, module in enumerate(modules):
        module.double()
        loss = (module(r[index]) * slope[index]).sum()
        loss.backward()
        assert losses[index] == pytest.approx(loss.item())
        for name, parameter in module.named_parameters():
            result = stack.gradients[name][index].reshape(parameter.shape)
            torch.testing.assert_close(result, parameter.grad, atol=1e-12, rtol=1e-10)


@pytest.mark.gpu
def test_a_gpu_finds_the_same():
    space, data = make_space(), [make_states(seed, n=50) for seed in range(5)]
    here, there = (
        together(space, data, VARIANTS, epochs=3, batch_size=16, dtype="float64", device=device)
        for device in ("cpu", "cuda")
    )
    for one, other in zip(here, there, strict=True):
        for name, weights in one.state_dict_.items():
            np.testing.assert_allclose(weights, other.state_dict_[name], atol=1e-7, err_msg=name)


def test_the_one_that_diverges_is_named():
    space, data = make_space(), [make_states()] * 3
    with pytest.raises(TrainingFailed, match=r"in epoch \d+ of 5: lower learning_rate \(now 1e\+20\)"):
        together(
            space,
            data,
            [{"random_state": 0}, {"random_state": 1, "learning_rate": 1e20}, {"random_state": 2}],
            epochs=5,
            metric="dot",
        )


@pytest.mark.parametrize("limit", [1, base.STATES_LIMIT], ids=["one at a time", "a core each"])
@pytest.mark.parametrize("method", [Centroid, LinearProbe, RidgeProbe, VocabularyCalibrator])
def test_several_fits_at_once_are_the_fits_one_by_one(method, limit, monkeypatch):
    monkeypatch.setattr(base, "STATES_LIMIT", limit)
    space, data = make_space(), [make_states(seed) for seed in range(3)]
    estimators = [method(space) for _ in data]
    x, y = zip(*data, strict=True)
    method.fit_together(estimators, x, y, [None] * 3)
    for estimator, (states, labels) in zip(estimators, data, strict=True):
        single = method(space).fit(states, labels)
        assert estimator.predict_proba(states).tobytes() == single.predict_proba(states).tobytes()
