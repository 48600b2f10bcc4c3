"""Diagnostics against scipy, scikit-learn, torch's own rounding, and their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from scipy.stats import entropy, spearmanr
from sklearn.metrics import f1_score

from tests.vocabsem.method_data import make_states, make_whole_space
from vocabsem.evaluation import diagnostics
from vocabsem.evaluation.diagnostics import (
    MAX_STATES,
    SIMILARITIES,
    TOP_TOKENS,
    agreement,
    contextual_bias,
    evaluate_vectors,
    quantize_rows,
    similarity_metrics,
    vector_variants,
)


def cosines(one, other):
    return (one @ other.T) / np.linalg.norm(one, axis=1)[:, None] / np.linalg.norm(other, axis=1)


def shares(rows, others, k):
    """Mean share of the k highest entries of each row that are in both."""
    first, second = (np.argsort(-each, axis=1)[:, :k] for each in (rows, others))
    return np.mean([len({*a} & {*b}) / k for a, b in zip(first.tolist(), second.tolist(), strict=True)])


# Contextual bias


@given(st.integers(1, 9), st.integers(2, 6), st.integers(0, 99))
def test_bias_is_the_entropy_that_the_mean_answer_lacks(n, classes, seed):
    answered = softmax(3 * np.random.default_rng(seed).standard_normal((n, classes)), axis=1)
    result = contextual_bias(answered)
    assert result["deficit"] == pytest.approx(np.log(classes) - entropy(answered.mean(axis=0)), abs=1e-12)
    assert result["largest_share"] == pytest.approx(answered.mean(axis=0).max())
    assert -1e-12 <= result["deficit"] <= np.log(classes)


def test_bias_at_its_ends():
    assert contextual_bias(np.eye(4)) == {"deficit": pytest.approx(0, abs=1e-12), "largest_share": 0.25}
    always = np.eye(4)[[2, 2, 2]]
    assert contextual_bias(always) == {"deficit": pytest.approx(np.log(4)), "largest_share": 1.0}


# Agreement


@pytest.mark.parametrize("block", [1, 3, 64])
def test_agreement_equals_scipy_state_by_state(monkeypatch, block):
    monkeypatch.setattr(diagnostics, "BLOCK", block)
    draw = np.random.default_rng(0)
    states, head, other = draw.standard_normal((7, 5)), draw.standard_normal((60, 5)), draw.standard_normal((60, 5))
    mixed = head + 0.5 * other
    result = agreement(states, lambda h: h @ head.T, {"mixed": lambda h: h @ mixed.T, "other": lambda h: h @ other.T})
    for name, vectors in (("mixed", mixed), ("other", other)):
        own, theirs = states @ head.T, states @ vectors.T
        expected = np.mean([spearmanr(a, b).statistic for a, b in zip(own, theirs, strict=True)])
        assert result[name]["spearman"] == pytest.approx(expected, abs=1e-12)
        assert result[name]["top1"] == pytest.approx(np.mean(own.argmax(1) == theirs.argmax(1)))
        assert result[name]["top10"] == pytest.approx(shares(own, theirs, TOP_TOKENS))


def test_agreement_at_its_ends():
    states, head = np.random.default_rng(1).standard_normal((4, 6)), np.random.default_rng(2).standard_normal((50, 6))
    own = lambda h: h @ head.T  # noqa: E731
    result = agreement(states, own, {"same": own, "scaled": lambda h: 3 * own(h) + 7, "reversed": lambda h: -own(h)})
    perfect = {"spearman": pytest.approx(1), "top1": 1.0, "top10": 1.0}
    assert result["same"] == result["scaled"] == perfect
    assert result["reversed"] == {"spearman": pytest.approx(-1), "top1": 0.0, "top10": 0.0}


def test_equal_logits_cost_no_more_than_their_share_of_the_vocabulary():
    """Tokens that were never trained share their rows: scipy gives them one rank, here they take some in any order."""
    states, head = np.random.default_rng(3).standard_normal((5, 6)), np.random.default_rng(4).standard_normal((400, 6))
    head[:20] = head[0]
    other = head + np.random.default_rng(5).standard_normal(6)
    result = agreement(states, lambda h: h @ head.T, {"other": lambda h: (h + 1) @ other.T})["other"]["spearman"]
    pairs = zip(states @ head.T, (states + 1) @ other.T, strict=True)
    # the twenty ranks move by at most 20 of 400, and a correlation of ranks by 6 Σ Δ² / V³ or so
    assert result == pytest.approx(np.mean([spearmanr(a, b).statistic for a, b in pairs]), abs=6 * 20 * 20**2 / 400**3)


# Rounding


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_rounding_equals_torchs(bits):
    weight = np.random.default_rng(6).standard_normal((30, 12)).astype(np.float32) * np.geomspace(0.01, 9, 30)[:, None]
    weight = weight.astype(np.float32)
    most = 2 ** (bits - 1) - 1
    scale = torch.from_numpy(np.abs(weight).max(axis=1) / most)
    zero = torch.zeros(30, dtype=torch.int32)
    expected = torch.fake_quantize_per_channel_affine(torch.from_numpy(weight), scale, zero, 0, -most, most).numpy()
    result = quantize_rows(weight, bits)
    # torch multiplies by 1/scale: where a value lies on the border of two levels it may take the other
    apart = np.abs(result - expected) > 1e-6 * np.abs(expected)
    assert apart.mean() < 0.01
    assert np.all(np.abs(result - weight) <= scale.numpy()[:, None] * (0.5 + 1e-5))
    assert result.dtype == np.float32


@given(arrays(np.float32, (4, 5), elements=st.floats(-100, 100, width=32)), st.sampled_from([2, 4, 8]))
def test_rounding_has_few_levels_and_keeps_the_largest(weight, bits):
    result = quantize_rows(weight, bits)
    for row, given_ in zip(result, weight, strict=True):
        assert len(np.unique(row)) <= 2**bits - 1
        assert np.abs(row).max() == pytest.approx(np.abs(given_).max(), rel=1e-6)
    np.testing.assert_allclose(quantize_rows(-weight, bits), -result)


def test_a_row_of_zeros_stays_one():
    assert not quantize_rows(np.zeros((2, 3), np.float32), 4).any()


# Similarity to a reference


@pytest.mark.parametrize("n_neighbors", [TOP_TOKENS, 3])
def test_similarity_equals_its_definition(n_neighbors):
    draw = np.random.default_rng(7)
    reference = draw.standard_normal((40, 8)).astype(np.float32)
    vectors = reference + 0.4 * draw.standard_normal((40, 8)).astype(np.float32)
    words = [[3], [17], [30]]
    rows = [3, 17, 30]
    result = similarity_metrics(vectors, reference, words, n_neighbors)
    assert result["label_cosine"] == pytest.approx(
        np.diagonal(cosines(vectors[rows], reference[rows])).mean(), abs=1e-6
    )
    near, expected = (cosines(each[rows], each) for each in (vectors, reference))
    near[range(3), rows] = expected[range(3), rows] = -np.inf  # a word is no neighbor of itself
    assert result["neighbors"] == pytest.approx(shares(near, expected, n_neighbors))
    assert similarity_metrics(reference, reference, words) == {"label_cosine": pytest.approx(1), "neighbors": 1.0}


# All of it


def test_values_are_those_of_a_direct_transcription():
    space, (states, labels) = make_whole_space(), make_states(n=50)
    vocabulary, mean = space.vocabulary, make_states(seed=5)[0].mean(axis=0)
    result = evaluate_vectors(vocabulary.anchors, space, states, labels, mean)
    assert tuple(result) == SIMILARITIES
    own = states @ vocabulary.head.T + vocabulary.bias
    words = vocabulary.anchors[[tokens[0] for tokens in vocabulary.label_ids]]
    for (where, metric), metrics in result.items():
        seen = states - mean if where == "centered" else states
        compare = cosines if metric == "cosine" else lambda one, other: one @ other.T
        logits = compare(seen, vocabulary.anchors)
        expected = np.mean([spearmanr(a, b).statistic for a, b in zip(own, logits, strict=True)])
        assert metrics["spearman"] == pytest.approx(expected, abs=1e-3)  # float32 orders some near-equal pairs anew
        output = compare(seen, words).argmax(axis=1)
        f1 = f1_score(labels, output, average="macro")
        assert metrics["macro_f1"] == pytest.approx(f1)


@pytest.mark.parametrize("n_states", [MAX_STATES, 20])
def test_many_states_are_compared_by_a_sample_from_first_to_last(monkeypatch, n_states):
    space, (states, labels) = make_whole_space(), make_states(n=3 * MAX_STATES)
    seen = []
    real = diagnostics.agreement
    monkeypatch.setattr(diagnostics, "agreement", lambda sample, *rest: seen.append(sample) or real(sample, *rest))
    evaluate_vectors(space.vocabulary.head, space, states, labels, states.mean(axis=0), n_states)
    (sample,) = seen
    assert len(sample) == n_states
    np.testing.assert_array_equal(sample[[0, -1]], states[[0, -1]])


def test_a_word_of_several_tokens_is_their_mean():
    space, (states, labels) = make_whole_space(), make_states(n=40)
    words = [[0, 1], [2], [3, 4, 5]]
    object.__setattr__(space.vocabulary, "label_ids", words)
    result = evaluate_vectors(space.vocabulary.head, space, states, labels, states.mean(axis=0))["raw", "dot"][
        "macro_f1"
    ]
    rows = np.stack([space.vocabulary.head[tokens].mean(axis=0) for tokens in words])
    output = (states @ rows.T).argmax(axis=1)
    assert result == pytest.approx(f1_score(labels, output, average="macro"))


def test_stand_ins_are_the_head_its_anchors_and_their_rounded_forms():
    space = make_whole_space()
    vocabulary, centered = space.vocabulary, np.ones_like(space.vocabulary.head)
    result = {name: (vectors, reference) for name, vectors, reference in vector_variants(vocabulary, centered)}
    assert list(result) == [
        "head", "anchors", "anchors.centered", "head.int8", "anchors.int8", "head.int4", "anchors.int4"
    ]  # fmt: skip
    assert result["anchors.centered"][0] is centered
    for name, (_, reference) in result.items():
        expected = vocabulary.head if name.startswith("head") else vocabulary.anchors
        assert reference is (None if name in ("head", "anchors") else expected)
    for bits in (8, 4):
        head = quantize_rows(vocabulary.head, bits).astype(np.float64)
        inverse = np.linalg.pinv(head)  # (d, V)
        expected = (inverse @ (np.eye(len(head)) - vocabulary.bias[:, None])).T  # W⁺(e_i − b)
        np.testing.assert_allclose(result[f"anchors.int{bits}"][0], expected, rtol=1e-4, atol=1e-5)
