"""A planted dictionary is found and one of noise is not; codes by their definitions; files that others read."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from vocabsem.errors import DataError
from vocabsem.instruments.sae_layout import ARCHITECTURES, export_sae, sae_file
from vocabsem.instruments.sparse_autoencoder import ACTIVATIONS, Autoencoder, train_autoencoder

WIDTH, ATOMS, ACTIVE = 16, 12, 2
K = 3


def planted(n, *, signed, seed=0):
    """Sums of two of twelve directions, and these directions."""
    atoms = np.random.default_rng(99).standard_normal((ATOMS, WIDTH))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    generator = np.random.default_rng(seed)
    codes = np.zeros((n, ATOMS))
    for row in codes:
        row[generator.choice(ATOMS, ACTIVE, replace=False)] = 1 + generator.random(ACTIVE)
    signs = generator.choice([-1, 1], codes.shape) if signed else 1
    return np.asarray(codes * signs @ atoms, np.float32), atoms


def noise(rows, n, seed=1):
    """Gaussian rows of the same mean and covariance."""
    sample = np.random.default_rng(seed).multivariate_normal(rows.mean(axis=0), np.cov(rows.T), n)
    return np.asarray(sample, np.float32)


def share_of_variance(dictionary, rows):
    error = ((dictionary.decoded(dictionary.codes(rows)) - rows) ** 2).sum()
    return 1 - error / ((rows - rows.mean(axis=0)) ** 2).sum()


def cosines(dictionary, atoms):
    """Of each planted direction with the feature nearest to it."""
    table = atoms @ dictionary.decoder.T
    return (np.abs(table) if dictionary.activation == "abstopk" else table).max(axis=1)


@pytest.mark.parametrize("activation", ["topk", "abstopk", "batchtopk"])
def test_planted_directions_are_found_and_those_of_noise_are_not(activation):
    rows, atoms = planted(1000, signed=activation == "abstopk")
    of = {"features": 2 * ATOMS, "k": ACTIVE, "epochs": 80, "seed": 0}
    learned = train_autoencoder(rows, activation, **of)
    of_noise = train_autoencoder(noise(rows, len(rows)), activation, **of)
    held, _ = planted(500, signed=activation == "abstopk", seed=5)
    assert cosines(learned, atoms).min() > 0.8
    assert np.median(cosines(learned, atoms)) > 0.93
    assert not (cosines(of_noise, atoms) > 0.9).any()
    assert share_of_variance(learned, held) > share_of_variance(of_noise, noise(rows, 500, seed=6)) + 0.15


def test_norms_decide_the_number_of_features_of_top_afa():
    rows, _ = planted(600, signed=False)
    dictionary = train_autoencoder(rows, "top_afa", features=24, k=K, epochs=5, seed=0)
    away = rows - dictionary.center
    encoded = np.maximum(away @ dictionary.encoder + dictionary.bias, 0)
    codes = dictionary.codes(rows)
    for row in range(0, 600, 50):
        ordered = np.sort(encoded[row])[::-1]
        gaps = np.abs(np.sqrt(np.cumsum(ordered**2)) - np.linalg.norm(away[row]))
        kept = ordered[: gaps.argmin() + 1]
        np.testing.assert_allclose(np.sort(codes[row])[::-1][: len(kept)], kept, rtol=1e-4, atol=1e-5)
        assert (codes[row] > 0).sum() == (kept > 0).sum()


def made(activation, threshold=0.0):
    generator = np.random.default_rng(3)
    shapes = ((WIDTH, ATOMS), (ATOMS,), (ATOMS, WIDTH), (WIDTH,))
    encoder, bias, decoder, center = (np.asarray(generator.standard_normal(shape), np.float32) for shape in shapes)
    return Autoencoder(activation, encoder, bias, decoder, center, K, threshold)


def by_definition(dictionary, row):
    """The codes of one row, in float64, by sorting."""
    encoded = (np.asarray(row, np.float64) - dictionary.center) @ dictionary.encoder + dictionary.bias
    size = np.abs(encoded) if dictionary.activation == "abstopk" else np.maximum(encoded, 0)
    limit = dictionary.threshold if dictionary.activation == "batchtopk" else np.sort(size)[-K - 1]
    return np.where(size > limit, encoded, 0)


@pytest.mark.parametrize("activation", ["topk", "abstopk", "batchtopk"])
def test_codes_and_vectors_are_those_of_the_definition(activation):
    dictionary, rows = made(activation, 1.5), np.random.default_rng(4).standard_normal((1100, WIDTH))
    codes = dictionary.codes(rows)
    expected = np.stack([by_definition(dictionary, row) for row in rows[-100:]])
    np.testing.assert_allclose(codes[-100:], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dictionary.decoded(codes), codes @ dictionary.decoder + dictionary.center, rtol=1e-6)
    if activation != "batchtopk":
        assert ((codes != 0).sum(axis=1) <= K).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_seed_gives_one_dictionary_with_features_of_length_1(activation):
    rows, _ = planted(300, signed=True)
    one, again, other = (
        train_autoencoder(rows, activation, features=12, k=K, epochs=2, seed=seed) for seed in (0, 0, 1)
    )
    assert np.array_equal(one.encoder, again.encoder)
    assert not np.array_equal(one.encoder, other.encoder)
    np.testing.assert_allclose(np.linalg.norm(one.decoder, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_length_of_the_rows_changes_lengths_alone(activation):
    rows, _ = planted(300, signed=True)
    one, longer = (train_autoencoder(each, activation, features=12, k=K, epochs=2, seed=0) for each in (rows, 8 * rows))
    np.testing.assert_allclose(longer.decoder, one.decoder, atol=1e-3)
    np.testing.assert_allclose(longer.codes(8 * rows), 8 * one.codes(rows), atol=0.05)


@pytest.mark.parametrize("activation", ARCHITECTURES)
def test_a_file_is_read_as_sae_lens_computes(activation, tmp_path):
    dictionary, rows = made(activation, 0.5), np.random.default_rng(5).standard_normal((40, WIDTH)).astype(np.float32)
    stored = tmp_path / "made.safetensors"
    stored.write_bytes(sae_file(dictionary, "hf:org/model", 18))
    export_sae(stored, tmp_path / "out" / "made")
    config = json.loads((tmp_path / "out" / "made" / "cfg.json").read_text())
    weights = load_file(tmp_path / "out" / "made" / "sae_weights.safetensors")
    assert (config["d_in"], config["d_sae"], config["metadata"]["hook_name"]) == (WIDTH, ATOMS, "hidden_states.18")
    assert config["apply_b_dec_to_input"] is True
    before = (rows - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    if config["architecture"] == "jumprelu":
        codes = np.maximum(before, 0) * (before > weights["threshold"])
    else:
        size = np.abs(before) if config["architecture"] == "abstopk" else np.maximum(before, 0)
        codes = np.where(size > np.sort(size, axis=1)[:, -config["k"] - 1 : -config["k"]], before, 0)
    np.testing.assert_allclose(dictionary.codes(rows), codes, rtol=1e-4, atol=1e-5)
    made_again = codes @ weights["W_dec"] + weights["b_dec"]
    np.testing.assert_allclose(dictionary.decoded(dictionary.codes(rows)), made_again, rtol=1e-4, atol=1e-4)


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    stored = tmp_path / "made.safetensors"
    stored.write_bytes(sae_file(made("topk"), "hf:org/model", 18))
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match=r"taken cannot be written \(File exists\): name another folder"):
        export_sae(stored, tmp_path / "taken")
