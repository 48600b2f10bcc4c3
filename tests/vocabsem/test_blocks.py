"""Rows some at a time: all of them, once, and moments that are those of all rows together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem import blocks
from vocabsem.arrays import check_states, mean_and_deviation
from vocabsem.blocks import block_slices, column_moments, row_blocks
from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace


@pytest.fixture
def small(monkeypatch):
    """Blocks of seven rows of five float32 columns."""
    monkeypatch.setattr(blocks, "BLOCK", 7 * 5 * 8)


@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=6), shift=st.sampled_from([0.0, 1e3, 1e7]))
def test_moments_of_blocks_are_those_of_all_rows(counts, shift):
    rows = np.random.default_rng(len(counts)).normal(shift, 1, (sum(counts), 4))
    mean, variance = column_moments(np.split(rows, np.cumsum(counts)[:-1]))
    exact = rows.astype(np.longdouble)
    np.testing.assert_allclose(mean, exact.mean(axis=0).astype(float), rtol=1e-13, atol=1e-13)
    # rounding of a float64 near the shift, of deviations of about 1
    np.testing.assert_allclose(variance, exact.var(axis=0).astype(float), rtol=1e-12, atol=4e-16 * max(shift, 1))


def test_one_block_gives_exactly_what_numpy_gives():
    rows = np.random.default_rng(0).normal(3, 2, (50, 6)).astype(np.float32)
    mean, variance = column_moments([rows])
    np.testing.assert_array_equal(mean, rows.mean(axis=0, dtype=np.float64))
    np.testing.assert_array_equal(np.sqrt(variance), rows.std(axis=0, dtype=np.float64))


def test_slices_are_all_rows_in_order(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 8 * 3 * 5)
    assert block_slices(np.zeros((7, 5))) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert block_slices(np.zeros((2, 500))) == [slice(0, 1), slice(1, 2)]
    assert block_slices(np.zeros((0, 5))) == []


@pytest.mark.usefixtures("small")
def test_blocks_are_views_of_all_rows_in_order():
    rows = np.arange(100, dtype=np.float32).reshape(20, 5)
    parts = list(row_blocks(rows))
    assert [len(part) for part in parts] == [7, 7, 6]
    assert all(np.shares_memory(part, rows) for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), rows)
    assert [part.shape for part in row_blocks(rows[:0])] == [(0, 5)]


@pytest.mark.usefixtures("small")
def test_means_and_logits_of_many_blocks_are_those_of_one_product():
    generator = np.random.default_rng(1)
    states = generator.normal(2, 3, (40, 5)).astype(np.float32)
    states[:, 3] = 7.0
    mean, deviation = mean_and_deviation(states)
    np.testing.assert_allclose(mean, states.mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(deviation, np.where(np.arange(5) == 3, 1, states.std(axis=0, dtype=float)), rtol=1e-6)
    head = generator.normal(size=(3, 5)).astype(np.float32)
    space = LabelSpace(head, head, np.ones(3, np.float32), scale=0.5)
    expected = 0.5 * (states.astype(float) @ head.T.astype(float) + 1)
    np.testing.assert_allclose(space.label_logits(states), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.usefixtures("small")
def test_a_state_that_is_not_finite_is_named_in_whichever_block():
    states = np.zeros((20, 5), np.float32)
    states[16, 2] = np.nan
    with pytest.raises(DataError, match="first in row 16"):
        check_states(states, 5, "ridge")


def test_states_of_one_layer_of_several_are_not_copied():
    both = np.ones((6, 8), np.float32)
    assert np.shares_memory(check_states(both[:, 4:], 4, "ridge"), both)
    for other in (both[::-1], both[:, ::2], both.T, both.astype(np.float64)):
        checked = check_states(other, None, "ridge")
        assert not np.shares_memory(checked, both)
        assert checked.flags.c_contiguous
        np.testing.assert_array_equal(checked, other)
