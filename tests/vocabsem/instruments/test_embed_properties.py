"""What must not change the figures of documents: turns, lengths, another order of the documents."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabsem.arrays import unit_rows
from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.embed import embed_study, ndcg, pair_correlations
from vocabsem.instruments.embed_data import corrections, shuffle_words, type_wrong

N, WIDTH = 15, 8
SAMPLING = Sampling(resamples=10, null_draws=20, seed=0)
SEEDS = st.integers(0, 1000)
TEXTS = st.lists(st.text("abcdefgh", min_size=1, max_size=9), min_size=1, max_size=30).map(" ".join)


def made(seed):
    """Vectors, and similarities without ties that have something to do with them."""
    generator = np.random.default_rng(seed)
    vectors, noise = generator.standard_normal((N, WIDTH)), generator.standard_normal((N, N))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    human = unit @ unit.T + 0.3 * (noise + noise.T)
    return vectors, human - human.min()


def study(vectors, human):
    groups, errors = {"documents": [Space("made", 1, vectors)]}, {"typos": [Space("made", 1, vectors[::-1])]}
    result = embed_study(groups, errors, human, [str(n) for n in range(N)], SAMPLING)
    return {(value.unit, value.metric): value for value in result.values}, result.items


@settings(max_examples=8)
@given(SEEDS)
def test_a_turn_and_the_length_of_each_vector_change_nothing(seed):
    vectors, human = made(seed)
    generator = np.random.default_rng(seed)
    turn = np.linalg.qr(generator.standard_normal((WIDTH, WIDTH)))[0]
    one, items = study(vectors, human)
    other, moved = study(vectors @ turn * generator.uniform(0.1, 10, (N, 1)), human)
    for at, value in one.items():
        for field in ("value", "interval", "null"):
            assert getattr(other[at], field) == pytest.approx(getattr(value, field), abs=1e-9)
    assert [item.score for item in items] == pytest.approx([item.score for item in moved])


@settings(max_examples=20)
@given(SEEDS)
def test_documents_may_come_in_any_order(seed):
    vectors, human = made(seed)
    order = np.random.default_rng(seed + 1).permutation(N)
    cosines = unit_rows(vectors) @ unit_rows(vectors).T
    turned, people = cosines[np.ix_(order, order)], human[np.ix_(order, order)]
    every = np.arange(N)[None]
    assert pair_correlations(turned, people, every) == pytest.approx(pair_correlations(cosines, human, every))
    np.testing.assert_allclose(ndcg(turned, people), ndcg(cosines, human)[order])


@settings(max_examples=20)
@given(SEEDS)
def test_figures_of_pairs_lie_between_their_ends(seed):
    vectors, human = made(seed)
    cosines = unit_rows(vectors) @ unit_rows(vectors).T
    assert -1 <= pair_correlations(cosines, human, np.arange(N)[None]) <= 1
    assert pair_correlations(human, human, np.arange(N)[None]) == pytest.approx(1)
    assert pair_correlations(-human, human, np.arange(N)[None]) == pytest.approx(-1)
    assert ((ndcg(cosines, human) >= 0) & (ndcg(cosines, human) <= 1 + 1e-12)).all()


def test_the_pairs_at_both_ends_are_where_the_ranks_differ_most():
    vectors, human = made(3)
    _, items = study(vectors, human)
    nearer = [item.score for item in items if item.item.startswith("documents nearer")]
    farther = [item.score for item in items if item.item.startswith("documents farther")]
    assert nearer == sorted(nearer, reverse=True)
    assert farther == sorted(farther)
    assert nearer[0] > 0 > farther[0]
    assert {item.layer for item in items} == {1}


@given(TEXTS, st.floats(0, 1), SEEDS)
def test_errors_keep_the_letters_and_the_number_of_words(text, rate, seed):
    for change in (type_wrong, shuffle_words):
        wrong = change(text, rate, np.random.default_rng(seed))
        assert sorted(wrong) == sorted(text)
        assert len(wrong.split()) == len(text.split())
    assert type_wrong(text, 0, np.random.default_rng(seed)) == text
    assert shuffle_words(text, 0, np.random.default_rng(seed)) == text


@settings(max_examples=10)
@given(SEEDS)
def test_corrections_follow_a_shift_of_all_texts(seed):
    generator = np.random.default_rng(seed)
    vectors, others = generator.standard_normal((N, WIDTH)), generator.standard_normal((60, WIDTH))
    shift = 10 * generator.standard_normal(WIDTH)
    moved = corrections(vectors + shift, others + shift)
    for name, rows in corrections(vectors, others).items():
        np.testing.assert_allclose(np.abs(moved[name]), np.abs(rows), atol=1e-6)
