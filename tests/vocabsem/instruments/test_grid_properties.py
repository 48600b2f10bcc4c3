"""What must not change the figures of the grid: turns, names of classes; and what the choice may be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.grid import RULES, cheapest, grid_study
from vocabsem.instruments.one_hot_ridge import macro_f1, ridge_predictions

N, WIDTH, CLASSES = 45, 10, 3
LABELS = np.arange(N) % CLASSES
SAMPLING = Sampling(resamples=20, null_draws=20, seed=0)


def states(seed, layers=2):
    generator = np.random.default_rng(seed)
    centers = generator.standard_normal((CLASSES, WIDTH))
    scales = np.linspace(2, 0.5, WIDTH)  # so that the order of the axes is clear
    return {layer: layer * centers[LABELS] + scales * generator.standard_normal((N, WIDTH)) for layer in range(layers)}


def study(train, test, labels=LABELS, axes=(2, 4)):
    result = grid_study("made", train, test, (labels, labels), axes=axes, sampling=SAMPLING)
    return {(value.metric, value.layer, value.variant): value for value in result.values}


def test_a_turn_changes_no_principal_axis_and_no_figure_of_all_axes():
    train, test = states(0), states(1)
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((WIDTH, WIDTH)))[0]
    one = study(train, test)
    other = study(*({layer: rows @ turn + 3 for layer, rows in each.items()} for each in (train, test)))
    for at, value in one.items():
        if at[0] == "pca_f1" or at[2] == f"{WIDTH} axes":
            assert other[at].value == pytest.approx(value.value)
    assert any(other[at].value != value.value for at, value in one.items() if at[0] == "raw_f1")


def test_classes_may_have_other_names():
    train, test = states(3), states(4)
    one, other = study(train, test), study(train, test, np.array([2, 0, 1])[LABELS])
    for at, value in one.items():
        if at[0].endswith("_f1") and at[0] != "cheapest_f1":
            assert other[at].value == pytest.approx(value.value)


def test_more_axes_than_there_are_is_all_of_them():
    values = study(states(5), states(6), axes=(4, WIDTH, 5 * WIDTH))
    assert {variant for metric, _, variant in values if metric == "pca_f1"} == {"4 axes", f"{WIDTH} axes"}


def test_intervals_and_nulls_have_ends_in_order_and_shares_are_shares():
    for (metric, layer, _), value in study(states(7), states(8)).items():
        assert value.interval[0] <= value.interval[1]
        assert value.null[0] <= value.null[1]
        assert 0 <= value.value <= 1, metric
        assert layer in (0, 1)


CELLS = st.dictionaries(st.tuples(st.integers(0, 30), st.sampled_from([8, 16, 32])), st.floats(0, 1), min_size=1)


@given(CELLS, st.sampled_from(sorted(RULES)))
def test_nothing_as_good_is_cheaper_than_the_cheapest(scores, rule):
    layer, k = cheapest(scores, rule)
    best = max(scores.values())
    assert scores[layer, k] >= best - 0.01
    for (other, axes), score in scores.items():
        if score >= best - 0.01:
            assert (axes, other) >= (k, layer) if rule == "fewest axes" else (other, axes) >= (layer, k)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_f1_lies_between_0_and_1_and_names_do_not_matter(seed):
    generator = np.random.default_rng(seed)
    labels, predicted = generator.integers(4, size=(3, 20)), generator.integers(4, size=(3, 20))
    scores, names = macro_f1(labels, predicted), generator.permutation(4)
    assert ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_allclose(macro_f1(names[labels], names[predicted]), scores)
    np.testing.assert_allclose(macro_f1(labels, labels), 1)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_the_length_of_states_changes_no_prediction(seed, length):
    train, test = states(seed)[1], states(seed + 1)[1]
    center = train.mean(axis=0)
    one, other = (
        ridge_predictions(scale * (train - center), scale * (test - center), LABELS[None]) for scale in (1, length)
    )
    np.testing.assert_array_equal(one.left_out, other.left_out)
    np.testing.assert_array_equal(one.test, other.test)
