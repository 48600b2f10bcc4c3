"""What must not change the values of heads: their order, their length, what all texts share; and what values may be."""

import numpy as np
import pytest

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.heads import heads_study

N, HEADS, SIZE, CLASSES = 45, 3, 4, 3
LABELS = np.arange(N) % CLASSES
SAMPLING = Sampling(resamples=20, null_draws=20, seed=0)


def outputs(seed):
    generator = np.random.default_rng(seed)
    centers = np.random.default_rng(9).standard_normal((HEADS, CLASSES, SIZE)) * np.array([0, 1, 3])[:, None, None]
    noise = generator.standard_normal((2, N, HEADS, SIZE))
    return {layer + 1: layer * centers[:, LABELS].transpose(1, 0, 2) + noise[layer] for layer in range(2)}


TRAIN, TEST = outputs(0), outputs(1)


def study(train, test, sampling=SAMPLING):
    flat = ({layer: rows.reshape(N, -1) for layer, rows in each.items()} for each in (train, test))
    result = heads_study("made", *flat, (LABELS, LABELS), heads=HEADS, sampling=sampling)
    return {(value.metric, value.layer): value for value in result.values}, result.items


@pytest.fixture(scope="module")
def own():
    return study(TRAIN, TEST)


def test_the_order_of_heads_changes_their_numbers_alone(own):
    order = [2, 0, 1]
    values, items = study(*({k: rows[:, order] for k, rows in each.items()} for each in (TRAIN, TEST)))
    for at, value in own[0].items():
        assert values[at].value == pytest.approx(value.value)
        assert values[at].interval == pytest.approx(value.interval)
        assert values[at].null == pytest.approx(value.null)
    before = {(item.layer, int(item.text.split()[1])): item.score for item in own[1]}
    after = {(item.layer, order[int(item.text.split()[1])]): item.score for item in items}
    assert after == pytest.approx(before)


@pytest.mark.parametrize("change", [lambda rows: 100 * rows, lambda rows: rows + 7])
def test_length_and_what_all_texts_share_change_nothing(own, change):
    values, _ = study(*({layer: change(rows) for layer, rows in each.items()} for each in (TRAIN, TEST)))
    for at, value in own[0].items():
        assert values[at].value == pytest.approx(value.value)
        assert values[at].variant == value.variant


def test_the_best_of_the_model_is_the_best_of_a_layer(own):
    values, items = own
    best = values["head_f1", None]
    layer, head = items[0].layer, items[0].text
    assert best.variant == f"best of {2 * HEADS}: layer {layer}, {head}"
    assert best.value == values["head_f1", layer].value
    assert values["head_f1", layer].variant == head


def test_values_are_shares_with_ends_in_order(own):
    for value in own[0].values():
        assert 0 <= value.interval[0] <= value.interval[1] <= 1
        assert 0 <= value.null[0] <= value.null[1] <= 1
        assert 0 <= value.value <= 1


def test_a_seed_draws_the_same_and_another_draws_another_null(own):
    assert study(TRAIN, TEST) == own
    values, _ = study(TRAIN, TEST, Sampling(20, 20, 1))
    assert any(values[at].null != value.null for at, value in own[0].items())
    assert all(values[at].value == value.value for at, value in own[0].items())


def test_one_head_is_the_layer():
    flat = tuple({2: each[2].reshape(N, -1)} for each in (TRAIN, TEST))
    values = heads_study("made", *flat, (LABELS, LABELS), heads=1, sampling=SAMPLING).values
    assert len({(value.value, value.interval, value.null) for value in values}) == 1
