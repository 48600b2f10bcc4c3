"""The study of dictionaries on states that were made of a few directions, and on Gaussian ones."""

import numpy as np
import pytest

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.dictionary import Settings, TokenStates, dictionary_study
from vocabsem.instruments.dictionary_features import TokenVocabulary
from vocabsem.instruments.dictionary_reconstruction import gaussian_rows, reconstruction_errors, reconstruction_values
from vocabsem.instruments.sparse_autoencoder import ACTIVATIONS

WIDTH, ATOMS, TOKENS = 16, 12, 5  # tokens a text
SAMPLING = Sampling(resamples=60, null_draws=20, seed=0)
SETTINGS = Settings(features=2 * ATOMS, k=2, epochs=50, shots=(8,), repeats=2)
DIRECTIONS = np.linalg.qr(np.random.default_rng(9).standard_normal((WIDTH, WIDTH)))[0][:ATOMS]
VOCABULARY = TokenVocabulary(DIRECTIONS, [f"word {atom}" for atom in range(ATOMS)], lambda rows: rows @ DIRECTIONS.T)


def texts(n, seed, *, planted=True):
    """Texts of two classes: a token is two of twelve directions, the class that of the last token's stronger one."""
    generator = np.random.default_rng(seed)
    codes = np.zeros((n * TOKENS, ATOMS))
    token = generator.integers(2, ATOMS, n * TOKENS)
    labels = np.arange(n) % 2
    token[TOKENS - 1 :: TOKENS] = labels
    codes[np.arange(len(codes)), token] = 2 + generator.random(len(codes))
    codes[np.arange(len(codes)), (token + 1 + generator.integers(0, ATOMS - 1, len(codes))) % ATOMS] = 1
    states = codes @ DIRECTIONS + 0.02 * generator.standard_normal((len(codes), WIDTH))
    if not planted:
        states = gaussian_rows(states, len(states), generator)
    return TokenStates(np.asarray(states, np.float32), np.repeat(np.arange(n), TOKENS), token, labels)


@pytest.fixture(scope="module", params=[True, False], ids=["planted", "noise"])
def study(request):
    of = ({"made": texts(n, seed, planted=request.param)} for n, seed in ((160, 0), (60, 1)))
    result, trained = dictionary_study(3, *of, VOCABULARY, SETTINGS, SAMPLING)
    values = {(value.metric, value.variant): value for value in result.values}
    return request.param, values, result, trained


@pytest.mark.medium
def test_what_is_explained_is_above_gaussian_rows_where_directions_were_planted(study):
    planted, values, _, _ = study
    for name in ("topk", "abstopk", "anchors"):
        value = values["variance_explained", name]
        assert value.n == 60 * TOKENS
        if planted:
            assert value.interval[0] > value.null[1]
            assert value.value > 0.8
        else:
            assert abs(value.value - sum(value.null) / 2) < 0.1
    pca = values["variance_explained", "pca"]
    assert abs(pca.value - sum(pca.null) / 2) < 0.1, "a covariance is all that principal axes know"
    assert values["active_features", "pca"].value == SETTINGS.k
    assert values["active_features", "anchors"].value == SETTINGS.k


@pytest.mark.medium
def test_one_feature_separates_planted_classes(study):
    planted, values, _, _ = study
    value = values["probe_f1", "topk, 1 feature, 8 shots"]
    assert values["probe_f1", "states, whole, 8 shots"].n == 60
    if planted:
        assert value.value > 0.95
        assert value.interval[0] > value.null[1]
    else:
        assert value.value < 0.8


@pytest.mark.medium
def test_names_are_the_words_that_a_feature_raises(study):
    planted, values, result, _ = study
    value = values["intervention", "topk"]
    assert value.value > value.null[1]
    if planted:
        best = [item for item in result.items if item.item == "features: topk"]
        assert [item.rank for item in best] == list(range(1, len(best) + 1))
        for item in best[:5]:
            words, tokens = item.text.split(" | at ")
            assert words.split(", ")[0] in tokens.split(", ")


@pytest.mark.medium
def test_all_dictionaries_are_there_and_intervals_have_ends_in_order(study):
    _, values, result, trained = study
    assert tuple(trained) == ACTIVATIONS
    assert {variant for metric, variant in values if metric == "alive"} == set(ACTIVATIONS)
    assert {value.layer for value in result.values} == {3}
    assert {value.unit for value in result.values} == {"tokens", "made"}
    for value in result.values:
        assert value.interval[0] <= value.interval[1]
        assert value.null[0] <= value.null[1]


def test_gaussian_rows_have_the_mean_and_covariance_of_others():
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((400, 5)) @ generator.standard_normal((5, 5)) + 3
    made = gaussian_rows(rows, 60_000, generator)
    np.testing.assert_allclose(made.mean(axis=0), rows.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(np.cov(made.T), np.cov(rows.T), atol=0.05 * np.abs(np.cov(rows.T)).max())


def test_errors_are_those_of_the_definitions():
    generator = np.random.default_rng(1)
    rows, others = generator.standard_normal((50, 6)), generator.standard_normal((7, 6))
    errors = reconstruction_errors(rows, others, {}, {"axes": np.eye(6) * 3}, 2)
    away = others - rows.mean(axis=0)
    largest = np.sort(away**2, axis=1)[:, -2:].sum(axis=1)  # of orthogonal atoms pursuit takes the largest parts
    np.testing.assert_allclose(errors["axes"][0], (away**2).sum(axis=1) - largest)
    np.testing.assert_allclose(errors["axes"][1], (away**2).sum(axis=1))
    axes = np.linalg.svd(rows - rows.mean(axis=0))[2][:2]
    np.testing.assert_allclose(errors["pca"][0], (away**2).sum(axis=1) - ((away @ axes.T) ** 2).sum(axis=1))
    assert set(errors["axes"][2]) == {2}


def test_intervals_of_what_is_explained_resample_texts():
    """Two texts, of which one is explained and one is not: a resample has both, or one of them twice."""
    errors = {"made": np.array([[0.0, 0, 4, 4], [4, 4, 4, 4], [1, 1, 3, 3]])}
    share, active = reconstruction_values(0, errors, errors, np.array([0, 0, 7, 7]), SAMPLING)
    assert (share.value, active.value) == (0.5, 2)
    assert share.interval == (0, 1)
    assert active.interval == (1, 3)
