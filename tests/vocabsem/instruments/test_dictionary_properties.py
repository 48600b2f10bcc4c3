"""What must not change the figures of dictionaries: turns, shifts, lengths, the order of features and of classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import special_ortho_group

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.dictionary_features import sign_values
from vocabsem.instruments.dictionary_probes import DENSE, probe_values, select_features
from vocabsem.instruments.dictionary_reconstruction import mean_value, reconstruction_errors, reconstruction_values
from vocabsem.instruments.sparse_autoencoder import ACTIVATIONS, Autoencoder

WIDTH, FEATURES, K = 8, 12, 3
SAMPLING = Sampling(resamples=30, null_draws=20, seed=0)
seeds = st.integers(0, 1000)


def rows(generator, n=60):
    return generator.standard_normal((n, WIDTH)) * np.linspace(2, 0.5, WIDTH) + 1


def dictionary(generator, activation, threshold=0.5):
    encoder, decoder = (generator.standard_normal(shape) for shape in ((WIDTH, FEATURES), (FEATURES, WIDTH)))
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    bias, center = generator.standard_normal(FEATURES), generator.standard_normal(WIDTH)
    arrays = (np.asarray(each, np.float32) for each in (encoder, bias, decoder, center))
    return Autoencoder(activation, *arrays, K, threshold)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_a_turn_a_shift_and_a_length_change_no_share_of_the_variance(seed):
    generator = np.random.default_rng(seed)
    known, others, atoms = rows(generator), rows(generator, 10), generator.standard_normal((FEATURES, WIDTH))
    turn = special_ortho_group.rvs(WIDTH, random_state=seed)
    one = reconstruction_errors(known, others, {}, {"atoms": atoms}, K)
    moved = [3 * each @ turn + 5 for each in (known, others)]
    other = reconstruction_errors(*moved, {}, {"atoms": -7 * atoms @ turn}, K)
    for name in ("pca", "atoms"):
        np.testing.assert_allclose(other[name][:2], 9 * one[name][:2], rtol=1e-6, atol=1e-8)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_more_features_explain_more_and_all_axes_everything(seed):
    generator = np.random.default_rng(seed)
    known, others, atoms = rows(generator), rows(generator, 10), generator.standard_normal((FEATURES, WIDTH))
    errors = [reconstruction_errors(known, others, {}, {"atoms": atoms}, k) for k in (1, 2, 4, WIDTH)]
    for name in ("pca", "atoms"):
        left = np.stack([each[name][0] for each in errors])
        assert (np.diff(left, axis=0) < 1e-9).all()
        np.testing.assert_allclose(left[-1], 0, atol=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_the_order_of_features_and_a_shift_change_no_reconstruction(activation, seed):
    generator = np.random.default_rng(seed)
    own, some = dictionary(generator, activation), rows(generator).astype(np.float32)
    order, shift = generator.permutation(FEATURES), generator.standard_normal(WIDTH).astype(np.float32)
    other = Autoencoder(
        activation,
        own.encoder[:, order],
        own.bias[order],
        own.decoder[order],
        own.center + shift,
        K,
        own.threshold,
    )
    codes = own.codes(some)
    np.testing.assert_allclose(other.codes(some + shift), codes[:, order], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(other.decoded(codes[:, order]), own.decoded(codes) + shift, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_rows_have_the_features_that_the_activation_allows(activation, seed):
    generator = np.random.default_rng(seed)
    own, some = dictionary(generator, activation), rows(generator)
    codes = own.codes(some)
    counts = (codes != 0).sum(axis=1)
    if activation in ("topk", "abstopk"):
        assert (counts <= K).all()
    if activation == "abstopk":
        assert (counts == K).all()
        assert (codes < 0).any()
    else:
        assert (codes >= 0).all()
    if activation == "batchtopk":
        assert (codes[codes > 0] > own.threshold).all()
    alone = np.concatenate([own.codes(row[None]) for row in some])
    np.testing.assert_allclose(alone, codes, rtol=1e-4, atol=1e-5)


@settings(max_examples=4, deadline=None)
@given(seeds)
def test_names_of_classes_and_lengths_of_columns_change_no_probe(seed):
    generator = np.random.default_rng(seed)
    labels, true = np.arange(24) % 3, np.arange(15) % 3
    given_rows = {DENSE: (generator.standard_normal((24, 6)), generator.standard_normal((15, 6)))}
    longer = {DENSE: tuple(4 * each for each in given_rows[DENSE])}

    def figures(of, names):
        return list(probe_values("made", 0, of, (names[labels], names[true]), (8,), 1, SAMPLING))

    own = figures(given_rows, np.arange(3))
    for other in (figures(longer, np.arange(3)), figures(given_rows, np.array([2, 0, 1]))):
        assert [value.value for value in other] == pytest.approx([value.value for value in own])
    for value in own:
        assert 0 <= value.interval[0] <= value.interval[1] <= 1
        assert value.n == 15


@given(seeds, st.integers(1, 5))
def test_a_chosen_feature_stays_chosen_wherever_its_column_is(seed, k):
    generator = np.random.default_rng(seed)
    some, labels, order = generator.standard_normal((20, 6)), np.arange(20) % 2, generator.permutation(6)
    assert order[select_features(some[:, order], labels, k)].tolist() == select_features(some, labels, k).tolist()


def test_columns_that_never_vary_are_chosen_last():
    generator = np.random.default_rng(0)
    some, labels = np.zeros((20, 6)), np.arange(20) % 2
    some[:, 4], some[:, 2] = generator.standard_normal(20), labels
    some[:, 1] = 7
    assert select_features(some, labels, 2).tolist() == [2, 4]


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_the_sign_of_a_feature_is_no_matter(seed):
    generator = np.random.default_rng(seed)
    codes = generator.standard_normal((80, 4)) * (generator.random((80, 4)) < 0.6)
    vectors, flipped = generator.standard_normal((80, 5)), codes * np.array([-1, 1, -1, 1])
    one, other = (
        {value.metric: value.value for value in sign_values(0, of, of, vectors, SAMPLING)} for of in (codes, flipped)
    )
    assert one == pytest.approx(other)


def test_a_mean_has_the_interval_of_its_resamples():
    of, null = np.array([0.0, 1.0] * 50), np.zeros(40)
    value = mean_value(2, "topk", "alive", of, null, Sampling(2000, 20, 0))
    assert (value.value, value.n, value.null) == (0.5, 100, (0, 0))
    np.testing.assert_allclose(value.interval, (0.4, 0.6), atol=0.02)  # 1.96 standard errors of .05


def test_a_text_counts_as_often_as_it_is_drawn():
    """Against resamples of whole texts, drawn one by one."""
    generator = np.random.default_rng(3)
    text = np.repeat(np.arange(12), generator.integers(1, 6, 12))
    errors = {"made": np.stack([generator.random(len(text)), 2 + generator.random(len(text)), np.ones(len(text))])}
    sampling = Sampling(3000, 20, 0)
    share = next(iter(reconstruction_values(0, errors, errors, text, sampling)))
    resampled = []
    for _ in range(3000):
        tokens = np.concatenate([np.flatnonzero(text == one) for one in generator.integers(12, size=12)])
        resampled.append(1 - errors["made"][0, tokens].sum() / errors["made"][1, tokens].sum())
    np.testing.assert_allclose(share.interval, np.quantile(resampled, [0.025, 0.975]), atol=0.02)
