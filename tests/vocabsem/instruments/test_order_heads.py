"""Heads that count on: a planted one, random ones, spectra of products."""

import numpy as np
import pytest

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.order_heads import ALL, spectra, succession, successor_study
from vocabsem.instruments.order_words import Ordered
from vocabsem.states.attention_heads import HeadCircuits

WORDS, WIDTH, DEPTH, HEADS, SIZE = 14, 40, 3, 4, 12
SAMPLING = Sampling(resamples=100, null_draws=100, seed=0)
RING = Ordered("ring", tuple("abcdef"), np.arange(6), np.arange(6), 6)
LINE = Ordered("line", tuple("ghijklmn"), np.arange(6, 14), np.arange(8), None)


def circuits(seed=0, planted=None):
    """Random heads; the planted (layer, head) maps the ring's words, and as its size is 12 part of the line's."""
    generator = np.random.default_rng(seed)
    inputs, readers = (np.linalg.qr(generator.standard_normal((WIDTH, WORDS)))[0].T for _ in range(2))
    values = generator.standard_normal((DEPTH, HEADS, SIZE, WIDTH))
    outputs = generator.standard_normal((DEPTH, HEADS, WIDTH, SIZE))
    if planted:
        following = np.array([1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 12])
        values[planted] = inputs[:SIZE]
        outputs[planted] = readers[following].T
    every = (np.stack([inputs] * DEPTH), values, outputs, readers)
    return HeadCircuits(*(each.astype(np.float32) for each in every))


def best(result):
    return {(value.unit, value.layer): value for value in result.values}


def test_a_planted_head_is_the_best_and_beyond_the_best_of_random_ones():
    result = successor_study(circuits(planted=(1, 2)), [RING, LINE], SAMPLING)
    values = best(result)
    for layer in (None, 2):
        assert values["ring", layer].value == 1
        assert values["ring", layer].interval == (1, 1)
        assert values[ALL, layer].value == pytest.approx(12 / 13)
        assert values[ALL, layer].interval[0] > values[ALL, layer].null[1]
    assert values["line", None].value == pytest.approx(6 / 7)
    assert values["ring", 1].value < 1
    assert {value.n for value in result.values} == {6, 7, 13}
    first = {item.item: item for item in reversed(result.items)}
    assert all((item.layer, item.rank, item.text) == (2, 1, "head 2") for item in first.values())
    assert set(first) == {"heads: ring", "heads: line", f"heads: {ALL}"}


def test_the_score_is_that_of_the_whole_product():
    made = circuits(seed=3)
    scores = []
    for layer in range(DEPTH):
        for head in range(HEADS):
            product = made.outputs[layer, head].astype(np.float64) @ made.values[layer, head]
            logits = made.readers[LINE.rows] @ product @ made.inputs[layer][LINE.rows].T  # of next words, by word
            scores.append(np.mean([logits[:, word].argmax() == word + 1 for word in range(7)]))
    result = successor_study(made, [LINE], SAMPLING)
    assert best(result)["line", None].value == pytest.approx(max(scores))
    shown = [item.score for item in result.items if item.item == "heads: line"]
    assert shown == pytest.approx(sorted(scores, reverse=True)[:10])


def test_random_heads_lie_in_their_null_and_the_best_of_more_is_higher():
    inside = []
    for seed in range(12):
        values = best(successor_study(circuits(seed=seed), [RING, LINE], Sampling(2, 60, seed)))
        inside += [value.null[0] <= value.value <= value.null[1] for value in values.values()]
        for layer in range(1, DEPTH + 1):
            assert values[ALL, None].null[1] >= values[ALL, layer].null[1]
    assert np.mean(inside) > 0.9


def test_spectra_are_those_of_the_products():
    made = circuits(seed=5)
    for layer in range(DEPTH):
        for head in range(HEADS):
            product = made.outputs[layer, head].astype(np.float64) @ made.values[layer, head]
            expected = np.linalg.svd(product, compute_uv=False)[:SIZE]
            np.testing.assert_allclose(spectra(made)[layer, head], expected, rtol=1e-6)


def test_the_next_of_the_last_word_is_the_first_of_a_cycle_alone():
    assert [each.tolist() for each in succession(RING)] == [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 0]]
    assert [each.tolist() for each in succession(LINE)] == [list(range(7)), list(range(1, 8))]
    gap = Ordered("gap", tuple("abcde"), np.arange(5), np.array([0, 1, 3, 4, 6]), 7)
    assert [each.tolist() for each in succession(gap)] == [[0, 2, 4], [1, 3, 0]]
