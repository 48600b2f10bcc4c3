"""Signs that stand at opposite tokens and signs that do not; names tested through a head; the choice of features."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.dictionary_features import FEWEST, TokenVocabulary, feature_values, sign_values
from vocabsem.instruments.dictionary_probes import DENSE, probe_values, select_features
from vocabsem.instruments.sparse_autoencoder import Autoencoder

SAMPLING = Sampling(resamples=50, null_draws=50, seed=0)
TOKENS, FEATURES, WIDTH = 600, 8, 12


def signed_codes(generator):
    """Each token has one feature, at either sign."""
    codes = np.zeros((TOKENS, FEATURES))
    at, signs = generator.integers(FEATURES, size=TOKENS), generator.choice([-1.0, 1.0], TOKENS)
    codes[np.arange(TOKENS), at] = signs * (1 + generator.random(TOKENS))
    return codes, at, signs


def signs(codes, null, vectors):
    return {value.metric: value for value in sign_values(3, codes, null, vectors, SAMPLING)}


@pytest.mark.parametrize("opposite", [True, False])
def test_signs_at_opposite_tokens_are_found_and_those_at_any_tokens_are_not(opposite):
    generator = np.random.default_rng(0)
    codes, at, of = signed_codes(generator)
    meanings = 3 * generator.standard_normal((FEATURES, WIDTH))
    vectors = generator.standard_normal((TOKENS, WIDTH)) + (of[:, None] * meanings[at] if opposite else 0)
    values = signs(codes, np.abs(codes), vectors)
    assert (values["two_signed"].value, values["two_signed"].n) == (1, FEATURES)
    assert values["two_signed"].null == (0, 0), "codes of one sign"
    cosine = values["sign_cosine"]
    if opposite:
        assert cosine.value < -0.9
        assert cosine.interval[1] < cosine.null[0]
    else:
        assert cosine.null[0] - 0.15 < cosine.value < cosine.null[1] + 0.15


def test_a_sign_cosine_is_that_of_the_mean_centered_vectors():
    generator = np.random.default_rng(1)
    codes, _, _ = signed_codes(generator)
    vectors = generator.standard_normal((TOKENS, WIDTH))
    away = vectors - vectors.mean(axis=0)
    expected = []
    for feature in codes.T:
        up, down = away[feature > 0].mean(axis=0), away[feature < 0].mean(axis=0)
        expected.append(up @ down / np.linalg.norm(up) / np.linalg.norm(down))
    assert signs(codes, codes, vectors)["sign_cosine"].value == pytest.approx(np.mean(expected), abs=1e-5)


def test_features_of_few_tokens_are_of_no_sign():
    codes = np.zeros((TOKENS, 3))
    codes[: FEWEST - 1, 0], codes[FEWEST : 3 * FEWEST, 0] = -1, 1  # nine at one sign
    codes[: 4 * FEWEST, 1] = 1
    vectors = np.random.default_rng(2).standard_normal((TOKENS, WIDTH))
    values = signs(codes, codes, vectors)
    assert values["two_signed"].value == 0
    assert values["two_signed"].n == 2, "the third feature is never active"
    assert "sign_cosine" not in values
    assert not list(sign_values(3, np.zeros((TOKENS, 3)), codes, vectors, SAMPLING))


def named(log_probabilities):
    generator = np.random.default_rng(3)
    anchors = generator.standard_normal((40, WIDTH))
    decoder = anchors[:FEATURES] / np.linalg.norm(anchors[:FEATURES], axis=1, keepdims=True)
    dictionary = Autoencoder("topk", decoder.T, np.zeros(FEATURES), decoder, np.zeros(WIDTH), 1)
    codes, token = np.abs(signed_codes(generator)[0]), generator.integers(40, size=TOKENS)
    vocabulary = TokenVocabulary(anchors, [f"w{number}" for number in range(40)], log_probabilities)
    states = generator.standard_normal((TOKENS, WIDTH))
    values, items = feature_values(30, {"topk": dictionary}, {"topk": codes}, states, token, vocabulary, SAMPLING)
    return values, items, (anchors, dictionary, codes, states)


def test_features_are_named_by_their_nearest_anchors_in_the_order_of_their_energy():
    values, items, (_, _, codes, _) = named(None)
    assert not values, "states that meet no head have no log-probabilities"
    energy = (codes**2).sum(axis=0)
    order = np.argsort(-energy)
    assert [item.text.split(", ")[0] for item in items] == [f"w{feature}" for feature in order]
    assert [item.score for item in items] == pytest.approx(np.sort(energy / energy.sum())[::-1])


def test_an_intervention_is_the_growth_of_the_log_probability_of_the_words():
    generator = np.random.default_rng(4)
    head = generator.standard_normal((40, WIDTH))

    def log_probabilities(rows):
        logits = rows @ head.T
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    (value,), _, (anchors, dictionary, codes, states) = named(log_probabilities)
    some = states[np.linspace(0, TOKENS - 1, 16).astype(int)]
    unit, expected = anchors / np.linalg.norm(anchors, axis=1, keepdims=True), []
    for feature in range(FEATURES):
        words = np.argsort(-unit @ dictionary.decoder[feature])[:8]
        step = codes[:, feature][codes[:, feature] > 0].mean() * dictionary.decoder[feature]
        expected.append((log_probabilities(some + step) - log_probabilities(some))[:, words].mean())
    assert value.value == pytest.approx(np.mean(expected))
    assert (value.metric, value.n) == ("intervention", FEATURES)


def test_probes_find_a_planted_feature_and_nothing_in_noise():
    generator = np.random.default_rng(5)
    labels, true = np.arange(60) % 2, np.arange(45) % 2

    def features(of):
        rows = generator.standard_normal((len(of), 20))
        rows[:, 7] = 3 * of + 0.1 * generator.standard_normal(len(of))
        return rows

    noise = tuple(generator.standard_normal((len(of), 20)) for of in (labels, true))
    given = {DENSE: noise, "planted": (features(labels), features(true)), "noise": noise}
    values = {v.variant: v for v in probe_values("made", 3, given, (labels, true), (8,), 3, SAMPLING)}
    assert set(values) == {
        *(f"states, {what}, 8 shots" for what in ("1 coordinate", "5 coordinates", "whole")),
        *(f"{name}, {what}, 8 shots" for name in ("planted", "noise") for what in ("1 feature", "5 features")),
    }
    best = values["planted, 5 features, 8 shots"]
    assert best.value > 0.9
    assert best.interval[0] > best.null[1]
    for name in ("noise, 1 feature, 8 shots", "states, whole, 8 shots"):
        assert values[name].value < values[name].null[1] + 0.1


@given(st.integers(0, 1000), st.integers(1, 6))
def test_features_are_chosen_by_the_share_of_their_variance_between_classes(seed, k):
    generator = np.random.default_rng(seed)
    rows, labels = generator.standard_normal((30, 6)), np.arange(30) % 3
    within = sum(((rows[labels == label] - rows[labels == label].mean(axis=0)) ** 2).sum(axis=0) for label in range(3))
    whole = ((rows - rows.mean(axis=0)) ** 2).sum(axis=0)
    share = (whole - within) / (whole + 1e-3 * whole.max())
    assert select_features(rows, labels, k).tolist() == np.argsort(-share)[:k].tolist()
