"""Answers to which of two words comes before: planted knowledge, a bias for one word, noise."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.order_answers import answers_study
from vocabsem.instruments.order_words import Ordered

N, LAYER = 9, 4
SAMPLING = Sampling(resamples=200, null_draws=200, seed=0)
WORDS = Ordered("words", tuple("abcdefghi"), np.arange(20, 20 + N), np.arange(N), None)
STEPS = np.arange(N)[None, :] - np.arange(N)[:, None]  # above 0 where the row comes before the column


def noise(seed):
    return np.random.default_rng(seed).standard_normal((N, N))


def values_of(scores, sampling=SAMPLING):
    result = answers_study({"words": scores}, [WORDS], LAYER, sampling)
    return {(value.variant, value.metric): value for value in result.values}, result.items


def test_a_planted_order_is_found_in_every_metric():
    values, _ = values_of(STEPS + 0.3 * noise(0))
    assert len(values) == 5
    for value in values.values():
        assert value.value > 0.9
        assert value.interval[0] > value.null[1]
        assert (value.unit, value.layer) == ("words", LAYER)
    assert values["answers", "before_accuracy"].n == N * (N - 1)
    assert values["answers", "before_consistency"].n == values["answers", "before_preference"].n == N * (N - 1) // 2


@pytest.mark.parametrize("bias", [-100, 100])
def test_who_always_says_the_same_is_right_every_other_time_and_never_consistent(bias):
    values, _ = values_of(STEPS + bias)
    assert values["answers", "before_accuracy"].value == 0.5
    assert values["answers", "before_accuracy"].null == (0.5, 0.5)
    assert values["answers", "before_consistency"].value == 0
    assert values["answers", "before_consistency"].null == (0, 0)
    for of in (("answers", "before_preference"), ("answers, centered", "before_accuracy")):
        assert values[of].value == 1, "the order is under the bias"
    assert values["answers, centered", "before_consistency"].value == 1


def test_noise_lies_in_its_null_as_often_as_it_says():
    inside = []
    for seed in range(40):
        values, _ = values_of(noise(seed), Sampling(2, 200, seed))
        inside += [value.null[0] <= value.value <= value.null[1] for value in values.values()]
    assert np.mean(inside) > 0.9


def test_answers_that_turn_with_the_pair_are_consistent_without_being_right():
    values, _ = values_of(noise(1) - noise(1).T)
    consistency = values["answers", "before_consistency"]
    assert consistency.value == 1
    assert consistency.interval[0] > consistency.null[1]
    accuracy = values["answers", "before_accuracy"]
    assert accuracy.null[0] <= accuracy.value <= accuracy.null[1]


def test_shares_are_counted_pair_by_pair():
    scores = noise(2) + 0.4
    mean = np.mean([scores[pair] for pair in permutations(range(N), 2)])
    values, _ = values_of(scores)
    for variant, bias in (("answers", 0), ("answers, centered", mean)):
        right = [(scores[a, b] > bias) == (a < b) for a, b in permutations(range(N), 2)]
        assert values[variant, "before_accuracy"].value == pytest.approx(np.mean(right))
        other = [(scores[a, b] > bias) != (scores[b, a] > bias) for a, b in combinations(range(N), 2)]
        assert values[variant, "before_consistency"].value == pytest.approx(np.mean(other))
    preferred = [scores[a, b] > scores[b, a] for a, b in combinations(range(N), 2)]
    assert values["answers", "before_preference"].value == pytest.approx(np.mean(preferred))


def test_an_interval_resamples_words_and_leaves_pairs_of_one_word_out():
    scores, sampling = noise(3), Sampling(100, 20, 5)
    values, _ = values_of(scores, sampling)
    draws = []
    for rows in sampling.generator(0).integers(N, size=(100, N)):
        pairs = [(rows[i], rows[j]) for i, j in permutations(range(N), 2) if rows[i] != rows[j]]
        draws.append(np.mean([(scores[a, b] > 0) == (a < b) for a, b in pairs]))
    assert values["answers", "before_accuracy"].interval == pytest.approx(np.quantile(draws, [0.025, 0.975]))


def test_of_two_words_a_resample_of_one_alone_is_left_out():
    two = Ordered("two", ("a", "b"), np.arange(2), np.arange(2), None)
    result = answers_study({"two": np.array([[0.0, 1.0], [-1.0, 0.0]])}, [two], LAYER, SAMPLING)
    assert {value.interval for value in result.values} == {(1.0, 1.0)}


def test_the_items_are_all_pairs_in_their_true_order_the_surest_first():
    scores = noise(4)
    _, items = values_of(scores)
    assert [item.rank for item in items] == list(range(1, N * (N - 1) // 2 + 1))
    expected = {
        f"{WORDS.words[a]} before {WORDS.words[b]}": scores[a, b] - scores[b, a] for a, b in combinations(range(N), 2)
    }
    assert {item.text: item.score for item in items} == pytest.approx(expected)
    assert [item.score for item in items] == sorted(expected.values(), reverse=True)
    assert {(item.item, item.layer) for item in items} == {("words: before", LAYER)}


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100))
def test_the_diagonal_and_the_scale_change_nothing(seed, scale):
    scores = noise(seed)
    changed = scale * (scores + np.diag(np.full(N, 7.0)))
    sampling = Sampling(20, 20, 1)
    assert values_of(scores, sampling)[0] == values_of(changed, sampling)[0]
