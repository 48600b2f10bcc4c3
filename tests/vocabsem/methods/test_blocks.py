"""Fits of more rows than one block holds: those of all rows in one, to rounding, from states mapped from a file too."""

import numpy as np
import pytest

from tests.vocabsem.method_data import make_space, make_states
from vocabsem.methods._solvers.transformed_rows import TransformedRows
from vocabsem.methods.random_features import _projection
from vocabsem.methods.registry import build_method, method_info

CLOSED = ("ridge", "ridge_prior", "gda_prior", "whitened_centroid", "centroid")
ROUNDING = 1e-9  # of a probability; sums of a hundred float64 products in another order


def probabilities(name, states, labels, others):
    method = build_method(name, {}, make_space(), 0)
    return method.fit(states, labels, others).predict_proba(make_states(2, n=20)[0])


@pytest.mark.parametrize("name", CLOSED)
def test_blocks_change_no_answer(name, monkeypatch, tmp_path):
    (states, labels), (others, _) = make_states(n=90), make_states(1, n=200)
    whole = probabilities(name, states, labels, others)
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 8 * 7 * states.shape[1])
    np.testing.assert_allclose(probabilities(name, states, labels, others), whole, rtol=0, atol=ROUNDING)
    np.save(tmp_path / "both.npy", np.vstack([others, states]))
    mapped = np.load(tmp_path / "both.npy", mmap_mode="r")
    answers = probabilities(name, mapped[len(others) :], labels, mapped[: len(others)])
    np.testing.assert_allclose(answers, whole, rtol=0, atol=ROUNDING)


def test_weighted_rows_in_blocks_are_rows_that_are_repeated(monkeypatch):
    (states, labels), (others, _) = make_states(n=60), make_states(1, n=200)
    times = np.arange(60) % 3 + 1
    repeated = np.repeat(np.arange(60), times)
    settings = {"alphas": (2.0,)}
    ridge = build_method("ridge", settings, make_space(), 0).fit(states[repeated], labels[repeated], others)
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 8 * 7 * states.shape[1])
    # The weights have mean 1, so that the same penalty counts 60 rows in place of 120.
    half = build_method("ridge", {"alphas": (1.0,)}, make_space(), 0).fit(states, labels, others, sample_weight=times)
    np.testing.assert_allclose(half.coef_, ridge.coef_, atol=1e-12)
    np.testing.assert_allclose(half.intercept_, ridge.intercept_, atol=1e-12)


def test_rows_are_transformed_as_they_are_read():
    seen = []

    def widened(rows):
        seen.append(len(rows))
        return np.hstack([rows, rows**2])

    states = np.arange(12, dtype=np.float32).reshape(4, 3)
    rows = TransformedRows(states, widened)
    assert rows.shape == (4, 6)
    assert rows[1:3].dtype == np.float64
    np.testing.assert_array_equal(rows[1:3], np.hstack([states, states**2])[1:3])
    assert seen == [1, 2, 2]


def test_what_fits_in_blocks_states_copies_of_as_many_rows_as_columns_and_logits_of_all():
    info, width, classes = method_info("ridge"), 50, 3
    few, many, more = (info.fit_bytes(rows, 0, width, classes) for rows in (50, 1000, 2000))
    copies = 4 * info.fit_copies[0]
    assert few == copies * 50 * (width + 4 * classes)
    assert many == copies * (50 * width + 1000 * 4 * classes)
    assert more - many == copies * 1000 * 4 * classes
    assert not method_info("ridge_self_training").fits_in_blocks


def test_random_features_draw_their_projection_once_for_all_blocks(monkeypatch):
    (states, labels), (others, _) = make_states(n=90), make_states(1, n=20)
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 8 * 7 * 16)
    before = _projection.cache_info()
    fitted = build_method("random_features", {"n_features": 16}, make_space(), 123).fit(states, labels, others)
    fitted.predict_proba(states)
    after = _projection.cache_info()
    assert after.misses == before.misses + 1
    assert after.hits > before.hits + 10
