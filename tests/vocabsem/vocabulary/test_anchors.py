"""Anchors against numpy's float64 SVD pseudo-inverse, and the identities that any pseudo-inverse keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabsem.errors import DataError
from vocabsem.vocabulary import gram
from vocabsem.vocabulary.anchors import RankDeficientHead, semantic_anchors


def head_of(condition, rows=400, d=24, seed=0, rank=None):
    """A head with singular values spread evenly, in logarithm, from 1 down to 1/condition."""
    generator = np.random.default_rng(seed)
    left, _ = np.linalg.qr(generator.standard_normal((rows, d)))
    right, _ = np.linalg.qr(generator.standard_normal((d, d)))
    values = np.geomspace(1, 1 / condition, d)
    if rank is not None:
        values[rank:] = 0
    return torch.from_numpy(left * values @ right.T)


def reference(head):
    """W⁺ transposed: row i is e_i W⁺."""
    return np.linalg.pinv(np.asarray(head, np.float64), rcond=1e-13).T


def relative(result, expected):
    return np.linalg.norm(np.asarray(result) - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("condition", [1, 30, 900, 1.1e3, 1e4])
@pytest.mark.parametrize("gauge", ["raw", "centered"])
def test_equals_the_pseudo_inverse(condition, gauge):
    head = head_of(condition)
    shifted = head - head.mean(0) if gauge == "centered" else head
    result = semantic_anchors(head, gauge=gauge)
    singular = np.linalg.svd(shifted.numpy(), compute_uv=False)

    assert relative(result.vectors, reference(shifted)) < 1e-9
    assert result.condition == pytest.approx(singular[0] / singular[-1], rel=1e-6)
    assert result.residual < 1e-9
    assert (result.solver, result.rank, result.gauge) == ("cholesky", 24, gauge)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_solves_the_stored_weights_in_float64(dtype):
    head = head_of(100).to(dtype)
    result = semantic_anchors(head)
    assert result.vectors.dtype == result.leverage.dtype == torch.float64
    assert relative(result.vectors, reference(head.double())) < 1e-9


def test_the_float32_pseudo_inverse_would_have_lost_directions():
    """Why torch.linalg.pinv is not used: its default cut-off, rows × 1.2e-7, drops true directions of this head."""
    head = head_of(300, rows=49_152, d=8).float()
    exact = reference(head)
    assert relative(torch.linalg.pinv(head).mT, exact) > 0.5
    assert relative(semantic_anchors(head).vectors, exact) < 1e-9


def test_blocks_of_rows_change_nothing(monkeypatch):
    head = head_of(50, rows=1000)
    whole = semantic_anchors(head, gauge="centered")
    monkeypatch.setattr(gram, "BLOCK", 64)
    parts = semantic_anchors(head, gauge="centered")
    assert relative(parts.vectors, whole.vectors.numpy()) < 1e-12  # only the order of float64 sums differs
    assert relative(parts.leverage, whole.leverage.numpy()) < 1e-12


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(12, 60),
    d=st.integers(1, 12),
    gauge=st.sampled_from(["raw", "centered"]),
)
@settings(max_examples=40, deadline=None)
def test_identities(seed, rows, d, gauge):
    weight = torch.from_numpy(np.random.default_rng(seed).standard_normal((rows + 1, d)))
    result = semantic_anchors(weight, gauge=gauge)
    centered = weight - weight.mean(0) if gauge == "centered" else weight

    assert float(result.leverage.sum()) == pytest.approx(result.rank, rel=1e-9)
    assert float(result.leverage.min()) >= -1e-12
    assert float(result.leverage.max()) <= 1 + 1e-9
    assert np.allclose((centered * result.vectors).sum(1), result.leverage, atol=1e-9)
    # W⁺W = 1 on a full-rank head, and W⁺ (h's logits) = h for every state h
    assert np.allclose(result.vectors.mT @ centered, np.eye(d), atol=1e-7)
    if gauge == "centered":
        assert np.allclose(result.vectors.sum(0), 0, atol=1e-7)


@pytest.mark.parametrize("rank", [1, 7, 23])
def test_rank_deficient_head_warns_and_takes_the_pseudo_inverse(rank):
    head = head_of(20, rank=rank)
    with pytest.warns(RankDeficientHead, match=f"span {rank} of 24 dimensions"):
        result = semantic_anchors(head)
    assert relative(result.vectors, reference(head)) < 1e-9
    assert (result.solver, result.rank) == ("eigh", rank)
    assert float(result.leverage.sum()) == pytest.approx(rank, rel=1e-9)
    assert result.condition == pytest.approx(20 ** ((rank - 1) / 23), rel=1e-6)
    assert result.residual < 1e-9


def test_fewer_rows_than_dimensions():
    head = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 9)))
    with pytest.warns(RankDeficientHead, match="5 rows span 5 of 9"):
        result = semantic_anchors(head)
    assert relative(result.vectors, reference(head)) < 1e-9


def test_padding_rows_do_not_enter():
    head = head_of(30)
    padded = torch.cat([head, torch.full((56, 24), 7.0, dtype=torch.float64)])
    alone = semantic_anchors(head)
    result = semantic_anchors(padded, rows=400)
    assert result.vectors.shape == (400, 24)
    assert torch.equal(result.vectors, alone.vectors)
    assert relative(semantic_anchors(padded).vectors[:400], alone.vectors.numpy()) > 0.1


@pytest.mark.parametrize("gauge", ["raw", "centered"])
def test_bias_is_the_least_squares_solution(gauge):
    """s_i minimizes ‖W s + b − e_i‖; centered, both the head's and the bias's mean row are removed first."""
    head = head_of(30)
    bias = torch.from_numpy(np.random.default_rng(2).standard_normal(500))
    result = semantic_anchors(torch.cat([head, head[:100]]), bias=bias, rows=400, gauge=gauge)
    weight, shift = head.numpy(), bias[:400].numpy()
    if gauge == "centered":
        weight, shift = weight - weight.mean(0), shift - shift.mean()
    expected = np.linalg.lstsq(weight, np.eye(400) - shift[:, None], rcond=None)[0].T
    assert relative(result.vectors, expected) < 1e-9


def test_a_constant_bias_moves_nothing_in_the_centered_gauge():
    head = head_of(30)
    plain = semantic_anchors(head, gauge="centered")
    shifted = semantic_anchors(head, gauge="centered", bias=torch.full((400,), 3.0))
    assert relative(shifted.vectors, plain.vectors.numpy()) < 1e-12


def test_the_centered_gauge_forgets_a_common_row():
    head = head_of(30)
    moved = head + torch.linspace(-2, 2, 24, dtype=torch.float64)
    plain = semantic_anchors(head, gauge="centered").vectors.numpy()
    assert relative(semantic_anchors(moved, gauge="centered").vectors, plain) < 1e-9
    assert relative(semantic_anchors(moved).vectors, semantic_anchors(head).vectors.numpy()) > 0.1


def test_the_head_is_left_as_it_was():
    head = torch.nn.Parameter(head_of(30).float())
    before = head.detach().clone()
    result = semantic_anchors(head, gauge="centered", bias=torch.ones(400))
    assert torch.equal(head, before)
    assert not result.vectors.requires_grad


@pytest.mark.parametrize(
    ("weight", "options", "message"),
    [
        (torch.zeros(4), {}, "shape \\(4,\\)"),
        (torch.zeros(4, 0), {}, "shape \\(4, 0\\)"),
        (torch.zeros(4, 3), {}, "zero in every row"),
        (torch.full((4, 3), torch.nan), {}, "NaN"),
        (torch.eye(4, 3), {"rows": 5}, "rows 5 of a head with 4 rows"),
        (torch.eye(4, 3), {"rows": 0}, "rows 0"),
        (torch.eye(4, 3), {"gauge": "mean"}, "unknown gauge 'mean'"),
        (torch.eye(4, 3), {"bias": torch.zeros(3)}, "bias has shape \\(3,\\)"),
    ],
)
def test_refuses(weight, options, message):
    with pytest.raises(DataError, match=message):
        semantic_anchors(weight, **options)
