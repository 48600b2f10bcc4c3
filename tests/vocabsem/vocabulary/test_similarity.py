"""Similarities against their definitions in float64, and nearest tokens against a full sort."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from vocabsem.errors import DataError
from vocabsem.vocabulary.similarity import GROUP, ROWS, as_tensor, nearest_tokens, similarity_logits

METRICS = ("cosine", "l2", "dot")


def arrays(seed=0, n=7, c=4, d=10):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((n, d)), generator.standard_normal((c, d))


def by_definition(states, anchors, metric):
    if metric == "dot":
        return states @ anchors.T
    return 1 - cdist(states, anchors, "cosine") if metric == "cosine" else -cdist(states, anchors)


@pytest.mark.parametrize("metric", METRICS)
def test_equals_scipy(metric):
    states, anchors = arrays()
    assert np.allclose(similarity_logits(states, anchors, metric), by_definition(states, anchors, metric), atol=1e-12)


@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_cosine_ignores_lengths(seed, scale):
    states, anchors = arrays(seed)
    scales = scale * np.linspace(1, 5, len(anchors))[:, None]
    plain = similarity_logits(states, anchors)
    assert np.allclose(similarity_logits(states * scale, anchors * scales), plain, atol=1e-12)
    assert float(plain.abs().max()) <= 1 + 1e-12


@pytest.mark.parametrize("metric", METRICS)
def test_stacks_are_compared_each_with_its_own(metric):
    states, anchors = (np.stack(pair) for pair in zip(arrays(0), arrays(1), strict=True))
    for index, result in enumerate(similarity_logits(states, anchors, metric)):
        assert np.allclose(result, by_definition(states[index], anchors[index], metric), atol=1e-12)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_rotations_change_nothing(seed):
    states, anchors = arrays(seed)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((10, 10)))
    for metric in METRICS:
        turned = similarity_logits(states @ rotation, anchors @ rotation, metric)
        assert np.allclose(turned, similarity_logits(states, anchors, metric), atol=1e-10)


def test_distance_keeps_its_digits_far_from_the_origin():
    """‖h‖² + ‖s‖² − 2h·s in float32 would be all rounding here: 1e8 against a distance of 1."""
    state = np.full((1, 4), 1e4, np.float32)
    assert float(similarity_logits(state, state + np.float32(0.5), "l2")) == pytest.approx(-1.0, rel=1e-6)


def test_a_zero_state_is_similar_to_nothing():
    assert torch.equal(similarity_logits(np.zeros((1, 3)), np.eye(3)), torch.zeros(1, 3, dtype=torch.float64))


@pytest.mark.parametrize("metric", METRICS)
def test_gradients(metric):
    states, anchors = (torch.from_numpy(a).requires_grad_() for a in arrays())
    assert torch.autograd.gradcheck(lambda h, s: similarity_logits(h, s, metric), (states, anchors))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("block", [1, 7, 50, 1000])
def test_nearest_tokens_equal_a_full_sort(metric, block):
    states, anchors = arrays(c=50)
    values, ids = nearest_tokens(states, anchors, 5, metric, block)
    full = by_definition(states, anchors, metric)
    order = np.argsort(-full, axis=1)[:, :5]
    assert np.array_equal(ids, order)
    assert np.allclose(values, np.take_along_axis(full, order, 1), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("block", [ROWS, 700, 3000])
def test_maxima_of_groups_lose_no_token(metric, block, dtype):
    """Enough anchors for groups, blocks that leave a rest, and more states than are compared at a time."""
    states, anchors = (array.astype(dtype) for array in arrays(n=ROWS + 3, c=12 * GROUP + 1700))
    values, ids = nearest_tokens(states, anchors, 5, metric, block)
    full = by_definition(states.astype(np.float64), anchors.astype(np.float64), metric)
    tolerance = 1e-12 if dtype is np.float64 else 2e-5  # rounding of sums of ten products
    assert np.allclose(values, np.sort(full, axis=1)[:, :-6:-1], atol=tolerance)
    assert np.allclose(np.take_along_axis(full, ids.numpy(), 1), values, atol=tolerance), "ids are those of the values"
    assert values.dtype == (torch.float64 if dtype is np.float64 else torch.float32)
    assert all(len(set(row)) == 5 for row in ids.tolist())


def test_the_nearest_may_share_a_group():
    anchors = np.zeros((40 * GROUP, 4), np.float32)
    together = np.arange(7, 40 * GROUP, 40)[:6]  # every 40th column is of one group
    anchors[together, 0] = np.arange(6, 0, -1)
    assert nearest_tokens(np.eye(4, dtype=np.float32)[:1], anchors, 5, "dot", 40 * GROUP)[1].tolist() == [
        together[:5].tolist()
    ]


def test_all_tokens_can_be_requested():
    states, anchors = arrays(c=9)
    assert np.array_equal(np.sort(nearest_tokens(states, anchors, 9, block=4)[1]), np.tile(np.arange(9), (7, 1)))


@pytest.mark.parametrize("k", [0, 5])
def test_refuses_more_tokens_than_there_are(k):
    with pytest.raises(DataError, match=f"k = {k} nearest tokens of 4"):
        nearest_tokens(*arrays(), k)


def test_read_only_arrays_are_copied_without_a_word():
    states, anchors = arrays()
    plain = similarity_logits(states, anchors)
    states.flags.writeable = anchors.flags.writeable = False
    assert torch.equal(similarity_logits(states, anchors), plain)
    assert as_tensor(states).data_ptr() != states.ctypes.data
    assert as_tensor(np.ones(3)).dtype == torch.float64


def test_refuses_other_metrics_and_widths():
    states, anchors = arrays()
    with pytest.raises(DataError, match="unknown metric 'cosin': choose one of cosine, l2, dot"):
        similarity_logits(states, anchors, "cosin")
    with pytest.raises(DataError, match=r"states \(7, 10\) and anchors \(4, 9\)"):
        similarity_logits(states, anchors[:, 1:])
