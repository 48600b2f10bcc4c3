"""The methods that read the vocabulary, against their formulas written out in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from torch import nn

from tests.vocabsem.method_data import D, make_space, make_states
from vocabsem.errors import DataError, TrainingFailed
from vocabsem.label_space import target_vectors
from vocabsem.methods import AnchorSimilarity, PaperCalibrator, VocabularyCalibrator, ZeroShot
from vocabsem.methods.paper_calibrator import PaperModule


def cosine(states, targets):
    states, targets = np.asarray(states, np.float64), np.asarray(targets, np.float64)
    return np.array([[s @ t / np.linalg.norm(s) / np.linalg.norm(t) for t in targets] for s in states])


# ---------------------------------------------------------------------------------------------- targets


def test_controls_in_place_of_anchors():
    space = make_space()
    assert np.array_equal(target_vectors(space, "anchors"), space.anchors)
    assert np.array_equal(target_vectors(space, "head"), space.head)
    first, again, other = (target_vectors(space, "random", seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.allclose(np.linalg.norm(first, axis=1), np.linalg.norm(space.anchors, axis=1), rtol=1e-6)
    assert first.dtype == np.float32
    with pytest.raises(DataError, match="unknown targets 'rows'"):
        target_vectors(space, "rows")


def test_random_targets_point_nowhere():
    space = make_space(classes=200, d=300)
    off = cosine(target_vectors(space, "random"), space.anchors)
    # cosines of independent directions have deviation 1/√300 = .058; their mean over 40,000 pairs is within .002
    assert abs(off.mean()) < 0.002
    assert off.std() == pytest.approx(300**-0.5, rel=0.05)


# ---------------------------------------------------------------------------------------------- zero shot


@pytest.mark.parametrize("softcap", [None, 3.0])
def test_zero_shot_is_the_models_prediction(softcap):
    space = make_space(softcap=softcap, scale=0.25)
    states, _ = make_states()
    logits = (states.astype(np.float64) @ space.head.T.astype(np.float64) + space.bias) * 0.25
    if softcap:
        logits = softcap * np.tanh(logits / softcap)
    expected = softmax(logits, axis=1)
    assert np.allclose(ZeroShot(space).fit(states).predict_proba(states), expected, atol=1e-12)


def test_zero_shot_needs_no_states():
    states, _ = make_states()
    assert ZeroShot(make_space()).fit(np.empty((0, D))).predict_proba(states).shape == (90, 3)


# ---------------------------------------------------------------------------------------------- similarity


@pytest.mark.parametrize("center", [True, False])
def test_similarity_by_definition(center):
    space, (states, _) = make_space(), make_states()
    centered = states - states.mean(0, dtype=np.float64) * center
    result = AnchorSimilarity(space, center=center).fit(states)
    assert np.allclose(result.predict_proba(states), softmax(cosine(centered, space.anchors), axis=1), atol=1e-6)
    assert np.allclose(result.transform(states), centered, atol=1e-5)


def test_similarity_centers_on_the_unlabeled():
    space, (states, _) = make_space(), make_states()
    result = AnchorSimilarity(space).fit(states[:5], unlabeled=states)
    assert np.array_equal(result.mean_, AnchorSimilarity(space).fit(states).mean_)
    with pytest.raises(DataError, match="no states to center on"):
        AnchorSimilarity(space).fit(np.empty((0, D)))
    AnchorSimilarity(space, center=False).fit(np.empty((0, D))).predict(states)


@given(scale=st.floats(1e-2, 1e2))
@settings(max_examples=15, deadline=None)
def test_cosine_methods_ignore_the_length_of_states_and_anchors(scale):
    """To rounding in float32, over a chain of solves."""
    space, (states, labels) = make_space(), make_states()
    longer = type(space)(space.anchors * np.float32(scale), space.head, space.bias)
    for make in (AnchorSimilarity, VocabularyCalibrator):
        plain = make(space).fit(states, labels).predict_proba(states)
        assert np.allclose(make(longer).fit(states, labels).predict_proba(states), plain, atol=1e-3), make
        grown = make(space).fit(states * scale, labels).predict_proba(states * scale)
        assert np.allclose(grown, plain, atol=1e-3), make


# ---------------------------------------------------------------------------------------------- the paper's


@pytest.mark.parametrize("d", [16, 64, 576, 768])
def test_the_published_size(d):
    """33/8·d² weights in matrices: 4d² in the MLP, d²/8 in the bottleneck."""
    with torch.device("meta"):
        module = PaperModule(d)
    matrices = sum(p.numel() for p in module.parameters() if p.ndim == 2)
    assert matrices == 33 * d * d // 8


def test_the_module_is_the_formula():
    module = PaperModule(16).double()
    r = torch.randn(5, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = {name: tensor.detach().numpy() for name, tensor in module.named_parameters()}
    x = r.numpy()
    bottleneck = np.maximum(x @ w["squeeze.weight"].T + w["squeeze.bias"], 0) @ w["excite.weight"].T + w["excite.bias"]
    attended = x * (bottleneck + bottleneck)  # average and maximum over one token are the token
    out = np.maximum(attended @ w["widen.weight"].T + w["widen.bias"], 0) @ w["narrow.weight"].T + w["narrow.bias"]
    normed = (out - out.mean(1, keepdims=True)) / np.sqrt(out.var(1, keepdims=True) + 1e-5)
    assert np.allclose(module(r).detach().numpy(), normed * w["norm.weight"] + w["norm.bias"], atol=1e-12)


def test_it_is_initialized_as_torch_does():
    ours, theirs = PaperModule(64), nn.Linear(64, 128)
    ours.initialize(torch.Generator().manual_seed(0))
    bound = 64**-0.5
    assert ours.widen.weight.abs().max() <= bound
    assert float(ours.widen.weight.std().detach()) == pytest.approx(float(theirs.weight.std().detach()), rel=0.05)
    assert ours.widen.bias.abs().max() <= bound


def test_one_epoch_equals_torch_by_hand():
    """The same draws, an ordinary loop with torch's own cosine: the same weights."""
    space, (states, labels) = make_space(), make_states(n=50)
    result = PaperCalibrator(space, epochs=2, batch_size=16, random_state=4).fit(states, labels)
    generator = torch.Generator().manual_seed(4)
    module = PaperModule(D)
    module.initialize(generator)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(2):
        for rows in torch.randperm(50, generator=generator).split(16):
            out = module(torch.from_numpy(states)[rows])
            logits = nn.functional.cosine_similarity(out[:, None], torch.from_numpy(space.anchors)[None], dim=2)
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, torch.from_numpy(labels)[rows]).backward()
            optimizer.step()
    for name, tensor in module.state_dict().items():
        # Adam divides by √v: gradients that are rounding may move a weight by a step of 1e-3, hence the mean
        assert np.abs(result.state_dict_[name] - tensor.numpy()).mean() < 1e-5, name


def test_training_lowers_the_loss():
    space, (states, labels) = make_space(), make_states(distance=6)
    loss = lambda e: -log_softmax(e._logits(states).astype(float), axis=1)[np.arange(90), labels].mean()  # noqa: E731
    losses = [loss(PaperCalibrator(space, epochs=epochs).fit(states, labels)) for epochs in (1, 100)]
    assert losses[1] < losses[0] - 0.1


def test_divergence_is_an_error():
    states, labels = make_states()
    with pytest.raises(TrainingFailed, match=r"loss became nan in epoch 1 of 100: lower learning_rate \(now 0.001\)"):
        PaperCalibrator(make_space()).fit(states * np.float32(1e20), labels)
