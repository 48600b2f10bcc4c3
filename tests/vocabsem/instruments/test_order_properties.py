"""What must not change the figures of order and of heads: turns, lengths, the start of a cycle, the order of heads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.order import digit_values, leave_one_out_weights, order_study
from vocabsem.instruments.order_heads import ALL, spectra, succession, successor_study
from vocabsem.instruments.order_words import Ordered
from vocabsem.states.attention_heads import HeadCircuits

WIDTH = 20
SAMPLING = Sampling(resamples=20, null_draws=30, seed=0)
SEEDS = st.integers(0, 1000)


def ordered(n, period=None):
    return Ordered("made", tuple(f"w{i}" for i in range(n)), np.arange(n), np.arange(n), period)


def vectors(seed, n):
    return np.random.default_rng(seed).standard_normal((n, WIDTH))


def turn(seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((WIDTH, WIDTH)))[0]


def figures(rows, sequence, sampling=SAMPLING):
    result = order_study([Space("made", None, rows)], [sequence], sampling)
    return {value.metric: value for value in result.values if value.variant == "made"}


def same(one, other):
    assert one.keys() == other.keys()
    for metric in one:
        for field in ("value", "interval", "null"):
            assert getattr(one[metric], field) == pytest.approx(getattr(other[metric], field), abs=1e-8), metric


@settings(max_examples=10)
@given(SEEDS, st.floats(0.01, 100), st.sampled_from([None, 9]))
def test_a_turn_a_length_and_a_shift_of_all_vectors_change_nothing(seed, length, period):
    rows, sequence = vectors(seed, 9), ordered(9, period)
    moved = length * rows @ turn(seed + 1) + vectors(seed + 2, 1)
    same(figures(rows, sequence), figures(moved, sequence))


@settings(max_examples=10)
@given(SEEDS, st.integers(1, 8))
def test_a_cycle_may_begin_anywhere(seed, start):
    rows = vectors(seed, 9)
    one, other = (figures(each, ordered(9, 9))["circular"].value for each in (rows, np.roll(rows, start, axis=0)))
    assert one == pytest.approx(other)


@settings(max_examples=10)
@given(SEEDS)
def test_a_line_may_be_read_backward(seed):
    rows = vectors(seed, 9)
    one, other = (figures(each, ordered(9)) for each in (rows, rows[::-1]))
    assert one["linear"].value == pytest.approx(other["linear"].value)
    for value in one.values():
        assert -1 <= value.value <= 1
        assert value.null[0] <= value.null[1]
        assert value.interval[0] <= value.interval[1]


def test_the_seed_gives_the_draws():
    rows = vectors(3, 9)
    first, again, other = (figures(rows, ordered(9), Sampling(20, 30, seed)) for seed in (1, 1, 2))
    same(first, again)
    assert first["linear"].value == other["linear"].value
    assert first["linear"].null != other["linear"].null


@settings(max_examples=10)
@given(SEEDS, st.integers(2, 4))
def test_a_word_is_predicted_from_other_groups_alone(seed, size):
    rows, groups = vectors(seed, 8), np.arange(8) // size
    weights, moved = leave_one_out_weights(rows, groups), rows.copy()
    assert not weights[groups[:, None] == groups].any()
    moved[1] += 5  # of the same group as the first
    np.testing.assert_allclose(leave_one_out_weights(moved, groups)[0], weights[0], atol=1e-12)
    moved[0] *= 2
    assert not np.allclose(leave_one_out_weights(moved, groups)[0], weights[0])


def test_digits_keep_under_a_turn_and_a_null_keeps_each_digit_in_each_decade():
    rows = np.repeat(vectors(5, 10), 10, axis=0) + 0.5 * vectors(6, 100)
    one, other = (
        {value.metric: value for value in digit_values([Space("made", 1, each)], SAMPLING)}
        for each in (rows, 3 * rows @ turn(7))
    )
    same(one, other)
    assert one["tens_digit"].value > one["tens_digit"].null[1]
    assert one["tens_digit"].n == 100


def circuits(seed, words=10, depth=2, heads=3, size=4):
    generator = np.random.default_rng(seed)
    shapes = ((depth, words, WIDTH), (depth, heads, size, WIDTH), (depth, heads, WIDTH, size), (words, WIDTH))
    return HeadCircuits(*(generator.standard_normal(shape).astype(np.float32) for shape in shapes))


def scores(made, sequence):
    result = successor_study(made, [sequence], SAMPLING)
    return {(value.unit, value.layer): value.value for value in result.values}, result.items


@settings(max_examples=8)
@given(SEEDS)
def test_heads_may_come_in_any_order_and_any_length(seed):
    made, sequence = circuits(seed), ordered(10, 10)
    order = np.random.default_rng(seed).permutation(3)
    moved = HeadCircuits(made.inputs, 4 * made.values[:, order], made.outputs[:, order] / 2, 8 * made.readers)
    (one, items), (other, moved_items) = scores(made, sequence), scores(moved, sequence)
    assert one == other
    assert [item.score for item in items] == [item.score for item in moved_items]
    np.testing.assert_allclose(spectra(moved), 2 * spectra(made)[:, order], rtol=1e-5)


def test_the_best_of_all_layers_is_the_best_of_each_and_one_sequence_is_all():
    best, items = scores(circuits(4), ordered(10))
    for unit in ("made", ALL):
        assert best[unit, None] == max(best[unit, layer] for layer in (1, 2))
    assert best["made", None] == best[ALL, None]
    assert [item.rank for item in items if item.item == "heads: made"] == [1, 2, 3, 4, 5, 6]


@given(st.integers(5, 20))
def test_every_word_of_a_cycle_has_a_next_and_of_a_line_all_but_the_last(n):
    first, second = succession(ordered(n, n))
    np.testing.assert_array_equal(first, np.arange(n))
    np.testing.assert_array_equal(second, np.roll(np.arange(n), -1))
    assert len(succession(ordered(n))[0]) == n - 1
