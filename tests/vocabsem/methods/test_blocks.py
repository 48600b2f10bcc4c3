"""Fits of more rows than one block holds: those of all rows in one, to rounding, from states mapped from a file too."""

import numpy as np
import pytest

from tests.vocabsem.method_data import make_space, make_states
from vocabsem.blocks import gathered_rows
from vocabsem.methods._solvers.transformed_rows import StackedRows, TransformedRows, gram
from vocabsem.methods.random_features import _projection
from vocabsem.methods.registry import build_method, method_info

CLOSED = ("ridge", "ridge_prior", "gda_prior", "whitened_centroid", "centroid", "gaussian_em", "ridge_self_training")
ITERATED = ("transclip", "probe_self_training", "em_dirichlet", "prototypical_calibration")
FLOAT32 = 1e-4  # of a probability; sums in float32 in another order, through the steps of a solver
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


@pytest.mark.parametrize("name", ITERATED)
def test_rows_that_lie_in_a_file_change_no_answer(name, monkeypatch, tmp_path):
    (states, labels), (others, _) = make_states(n=30), make_states(1, n=200)
    whole = probabilities(name, states, labels, others)
    monkeypatch.setattr("vocabsem.blocks.HELD", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    np.testing.assert_allclose(probabilities(name, states, labels, others), whole, rtol=0, atol=FLOAT32)
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 8 * 7 * states.shape[1])
    np.testing.assert_allclose(probabilities(name, states, labels, others), whole, rtol=0, atol=FLOAT32)
    assert not list(tmp_path.iterdir()), "the file has no name"


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
    assert not method_info("vocabulary_calibrator").fits_in_blocks


def test_what_reads_both_kinds_in_blocks_states_what_it_holds_of_each_row():
    width, classes = 50, 3
    for name, columns in (("ridge_self_training", 0), ("gaussian_em", 80), ("vocabulary_calibrator", 100)):
        few, many = (method_info(name).fit_bytes(10, rows, width, classes) for rows in (10**6, 2 * 10**6))
        logits = 4 * method_info(name).fit_copies[1] * 4 * classes
        assert many - few == 10**6 * (logits + 8 * columns)


def test_stacked_rows_are_those_of_one_array_and_then_of_another():
    first, second = (np.random.default_rng(seed).normal(size=(n, 3)) for seed, n in ((0, 4), (1, 7)))
    both, rows = np.vstack([first, second]), StackedRows(first, second)
    assert len(rows) == 11
    for start in range(12):
        for stop in range(start, 13):
            np.testing.assert_array_equal(rows[start:stop], both[start:stop])
    np.testing.assert_array_equal(rows[:], both)


def test_products_of_rows_add_up_over_blocks(monkeypatch):
    states = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 8 * 7 * 5)
    rows = TransformedRows(states, lambda block: block - 1)
    np.testing.assert_allclose(gram(rows), (states - 1).T.astype(float) @ (states - 1), rtol=1e-5)  # of float32


def test_random_features_draw_their_projection_once_for_all_blocks(monkeypatch):
    (states, labels), (others, _) = make_states(n=90), make_states(1, n=20)
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 8 * 7 * 16)
    before = _projection.cache_info()
    fitted = build_method("random_features", {"n_features": 16}, make_space(), 123).fit(states, labels, others)
    fitted.predict_proba(states)
    after = _projection.cache_info()
    assert after.misses == before.misses + 1
    assert after.hits > before.hits + 10


@pytest.mark.parametrize("layers", [1, 2])
def test_texts_that_lie_in_a_file_teach_what_those_in_memory_do(layers, monkeypatch, tmp_path):
    (states, labels), (others, _) = (make_states(seed, n=n) for seed, n in ((0, 30), (1, 200)))
    states, others = (np.hstack([rows] * layers) for rows in (states, others))

    def logits():
        method = build_method("vocabulary_calibrator", {"layers": layers}, make_space(), 0)
        return method.fit(states, labels, others).coef_

    whole = logits()
    monkeypatch.setattr("vocabsem.blocks.HELD", 1000)
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 8 * 7 * states.shape[1])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    np.testing.assert_allclose(logits(), whole, rtol=1e-4, atol=1e-5 * np.abs(whole).max())  # sums of the mixture
    assert not list(tmp_path.iterdir()), "the file has no name"


def test_rows_are_gathered_in_memory_or_in_a_file(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    for held in (1 << 20, 10):
        monkeypatch.setattr("vocabsem.blocks.HELD", held)
        gathered = gathered_rows(rows.shape, iter((rows[:5], rows[5:])))
        assert type(gathered) is np.ndarray
        assert gathered.flags.owndata is (held > rows.nbytes)
        np.testing.assert_array_equal(gathered, rows)
