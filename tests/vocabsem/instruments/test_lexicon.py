"""The lexicon on vectors that carry the judgments, on noise, and on vectors that carry frequency alone."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.lexicon import lexicon_study, partial_spearman
from vocabsem.instruments.lexicon_data import Lexicon

WORDS, WIDTH = 240, 24
SAMPLING = Sampling(resamples=100, null_draws=40, seed=0)


@pytest.fixture(scope="module")
def meaning():
    """(n, d): what the judgments are made from; 60 quadruples of words are parallelograms."""
    generator = np.random.default_rng(1)
    vectors = generator.standard_normal((WORDS, WIDTH))
    offset = 3 * generator.standard_normal(WIDTH)
    vectors[1::2] = vectors[::2] + offset
    return vectors


@pytest.fixture(scope="module")
def lexicon(meaning):
    generator = np.random.default_rng(2)
    pairs = generator.integers(WORDS, size=(150, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    centered = meaning - meaning.mean(axis=0)
    unit = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    a, b = 2 * generator.permutation(WORDS // 2)[:120].reshape(2, 60)
    rated = np.arange(200)
    ratings = np.stack([meaning[rated] @ generator.standard_normal(WIDTH) for _ in range(2)], axis=1)
    return Lexicon(
        words=tuple(f"word{i}" for i in range(WORDS)),
        log_frequency=-np.log1p(generator.permutation(WORDS).astype(float)),
        pairs={"made": (pairs, (unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(axis=1))},
        analogies=np.stack([a, a + 1, b, b + 1], axis=1),
        ratings={"scales": (rated, ratings)},
        scales={"scales": ("warm", "near")},
    )


def figures(vectors, lexicon):
    result = lexicon_study([Space("made", 3, vectors)], lexicon, cv=4, sampling=SAMPLING)
    return {(value.unit, value.metric): value for value in result.values}, result.items


def test_a_planted_meaning_is_seen_in_every_figure(meaning, lexicon):
    rotation, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((WIDTH, WIDTH)))
    values, _ = figures(5 * meaning @ rotation + 7, lexicon)
    assert values["made", "spearman"].value == pytest.approx(1)
    assert values["analogies", "accuracy"].value > 0.95
    assert values["warm", "r2"].value > 0.95
    for value in values.values():
        assert value.interval[0] <= value.value <= value.interval[1]
        assert value.interval[0] > value.null[1], value
        assert (value.layer, value.variant) == (3, "made")


def test_on_noise_no_figure_is_far_from_its_null(lexicon):
    values, _ = figures(np.random.default_rng(4).standard_normal((WORDS, WIDTH)), lexicon)
    assert len(values) == 7
    for value in values.values():
        width = value.null[1] - value.null[0]
        assert value.null[0] - width <= value.value <= value.null[1] + width, value


def test_constant_vectors_know_nothing_and_break_nothing(lexicon):
    values, _ = figures(np.ones((WORDS, WIDTH)), lexicon)
    assert all(
        abs(value.value) < 0.05 and np.isfinite([*value.interval, *value.null]).all() for value in values.values()
    )


def test_frequency_alone_explains_ratings_until_it_is_taken_out(lexicon):
    frequency = lexicon.log_frequency
    rated, _ = lexicon.ratings["scales"]
    noise = 0.1 * np.random.default_rng(5).standard_normal((len(rated), 2))
    frequent = Lexicon(
        **{**vars(lexicon), "ratings": {"scales": (rated, np.stack([frequency[rated]] * 2, axis=1) + noise)}}
    )
    vectors = np.random.default_rng(6).standard_normal((WORDS, WIDTH))
    vectors[:, 0] = frequency
    values, _ = figures(vectors, frequent)
    assert values["warm", "r2"].value > 0.9
    assert values["warm", "partial_r2"].value < 0.05


def test_the_partial_correlation_is_that_of_the_residuals_of_ranks():
    generator = np.random.default_rng(7)
    cause = generator.standard_normal(300)
    one, other = (cause + generator.standard_normal(300) for _ in range(2))
    assert partial_spearman(one, other, np.empty((300, 0))) == pytest.approx(spearmanr(one, other).statistic)
    r = spearmanr(np.stack([one, other, cause], axis=1)).statistic
    closed = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial_spearman(one, other, cause[:, None]) == pytest.approx(closed)
    assert partial_spearman(np.zeros(5), np.arange(5.0), np.empty((5, 0))) == 0


@pytest.mark.parametrize("seed", range(5))
def test_what_the_others_explain_leaves_no_correlation(seed):
    one, other, more = np.random.default_rng(seed).standard_normal((3, 50))
    assert partial_spearman(one, other, np.exp(one)[:, None]) == 0
    assert partial_spearman(one, one, np.stack([other, one], axis=1)) == 0
    assert abs(partial_spearman(one, other, np.stack([more], axis=1))) > 1e-4


def test_the_items_are_the_pairs_at_both_ends(meaning, lexicon):
    pairs, human = lexicon.pairs["made"]
    swapped = Lexicon(**{**vars(lexicon), "pairs": {"made": (pairs, np.where(np.arange(len(pairs)) == 8, 9, human))}})
    _, items = figures(meaning, swapped)
    first = next(item for item in items if item.item == "made farther: made")
    one, other = pairs[8]
    assert (first.rank, first.layer, first.text) == (1, 3, f"word{one}, word{other}")
    assert first.score < 0
