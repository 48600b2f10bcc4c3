"""kNN Prompting against the divergence over the whole vocabulary, written out in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp

from tests.vocabsem.method_data import TOKENS, make_states, make_whole_space
from vocabsem.errors import DataError
from vocabsem.methods import KnnPrompting
from vocabsem.methods.knn_prompting import expectations


def log_probabilities(space, states):
    """(N, V), of the model's next token."""
    head, bias = space.vocabulary.head.astype(np.float64), space.vocabulary.bias.astype(np.float64)
    return log_softmax(space.scale * (states.astype(np.float64) @ head.T + bias), axis=1)


def divergences(space, anchors, queries):
    """KL(p_a ‖ p_q) = Σ_v p_a log(p_a / p_q) for each query and anchor, (N, M)."""
    log_a, log_q = log_probabilities(space, anchors), log_probabilities(space, queries)
    return np.array([[(np.exp(a) * (a - q)).sum() for a in log_a] for q in log_q])


@given(seed=st.integers(0, 200), scale=st.sampled_from([0.02, 0.1, 0.3]), k=st.integers(1, 8))
@settings(max_examples=15, deadline=None)
def test_votes_of_the_nearest_distributions(seed, scale, k):
    space = make_whole_space(seed, scale=scale)
    states, labels = make_states(seed, n=40)
    queries, _ = make_states(seed + 1, n=30)
    direct = divergences(space, states, queries)
    order = np.argsort(direct, axis=1)
    apart = np.take_along_axis(direct, order, 1)
    clear = apart[:, k] - apart[:, k - 1] > 1e-4  # others are equal but for the rounding of float32
    counts = np.stack([(labels[order[:, :k]] == c).sum(axis=1) for c in range(3)], axis=1)
    result = KnnPrompting(space, n_neighbors=k, smoothing=0.5).fit(states, labels).predict_proba(queries)
    assert clear.any()
    assert np.allclose(result[clear], ((counts + 0.5) / (k + 1.5))[clear], atol=1e-12)


@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
def test_the_kept_vectors_give_the_divergence(scale):
    """Up to logsumexp of the query's logits, which no anchor changes; also where probabilities underflow."""
    space = make_whole_space(scale=scale)
    states, _ = make_states(n=30)
    queries, _ = make_states(1, n=20)
    assert (np.exp(log_probabilities(space, states)) == 0).any() == (scale == 100)
    vectors, constants = expectations(states, space.vocabulary, scale)
    logits = scale * (queries.astype(np.float64) @ space.vocabulary.head.T.astype(np.float64) + space.vocabulary.bias)
    result = logsumexp(logits, axis=1)[:, None] - (queries.astype(np.float64) @ vectors.T + constants)
    # of logits of about 100 · scale, float32 keeps six digits
    assert np.allclose(result, divergences(space, states, queries), rtol=1e-5, atol=2e-4 * scale)


def test_blocks_change_nothing(monkeypatch):
    space, (states, labels) = make_whole_space(), make_states()
    whole = KnnPrompting(space).fit(states, labels)
    for entries in (1, 7 * TOKENS):
        monkeypatch.setattr("vocabsem.methods.knn_prompting.ENTRIES", entries)
        parts = KnnPrompting(space).fit(states, labels)
        assert np.allclose(parts.expected_, whole.expected_, rtol=1e-5, atol=1e-5)
        assert np.allclose(parts.constants_, whole.constants_, rtol=1e-5, atol=1e-5)


def test_at_most_so_many_anchors_of_a_class():
    space, (states, labels) = make_whole_space(), make_states(n=91)
    few = KnnPrompting(space, per_class=4).fit(states, labels)
    assert np.bincount(few.labels_).tolist() == [4, 4, 4]
    every = KnnPrompting(space).fit(states, labels)
    assert np.array_equal(every.labels_, labels)
    for row, label in zip(few.expected_, few.labels_, strict=True):
        assert np.abs(every.expected_[labels == label] - row).max(axis=1).min() < 1e-4
    other = KnnPrompting(space, per_class=4, random_state=1).fit(states, labels)
    assert not np.array_equal(other.expected_, few.expected_)


def test_no_prediction_reads_the_vocabulary():
    space, (states, labels) = make_whole_space(), make_states()
    result = KnnPrompting(space).fit(states, labels)
    expected = result.predict_proba(states)
    result.space = type(space)(space.anchors, space.head, space.bias)
    assert np.array_equal(result.predict_proba(states), expected)


@pytest.mark.parametrize("params", [{"n_neighbors": 0}, {"per_class": 0}, {"smoothing": 0.0}])
def test_refuses_parameters(params):
    with pytest.raises(DataError, match="give a number above 0"):
        KnnPrompting(make_whole_space(), **params).fit(*make_states())


def test_refuses_a_capped_model():
    with pytest.raises(DataError, match="the model caps its logits at 30"):
        KnnPrompting(make_whole_space(softcap=30.0)).fit(*make_states())
