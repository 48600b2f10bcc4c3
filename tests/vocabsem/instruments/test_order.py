"""Order on planted circles, lines and digits, and on noise."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr
from sklearn.linear_model import Ridge

from vocabsem.errors import DataError
from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.order import _spearman, digit_values, leave_one_out_weights, order_study
from vocabsem.instruments.order_words import CYCLES, SEQUENCES, Ordered, select_sequences

WIDTH = 60
SAMPLING = Sampling(resamples=100, null_draws=200, seed=0)
RING = Ordered("ring", tuple("abcdefghijkl"), np.arange(12), np.arange(12), 12)
LINE = Ordered("line", tuple("abcdefghij"), np.arange(2, 12), np.arange(10), None)  # rows are not positions


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def circle(noise=0.3, seed=0):
    angles = 2 * np.pi * np.arange(12) / 12
    axes = np.linalg.qr(normal(seed, WIDTH, 2))[0].T
    return 5 + 3 * np.stack([np.sin(angles), np.cos(angles)], axis=1) @ axes + noise * normal(seed + 1, 12, WIDTH)


def straight(noise=0.1, seed=0):
    axis = normal(seed, WIDTH)
    rows = np.arange(12)[:, None] - 2
    return rows * axis / np.linalg.norm(axis) * 3 + noise * normal(seed + 1, 12, WIDTH) + normal(seed + 2, WIDTH)


def figures(vectors, sequence, sampling=SAMPLING):
    result = order_study([Space("made", 3, vectors)], [sequence], sampling)
    return {(value.metric, value.variant): value for value in result.values}, result.items


@pytest.mark.parametrize("groups", [np.arange(9), np.arange(9) // 3])
def test_predictions_are_those_of_ridge_regression_without_what_is_left_out(groups):
    vectors, targets = normal(0, 9, 5), normal(1, 9)
    targets -= targets.mean()
    weights = leave_one_out_weights(vectors, groups)
    for group in np.unique(groups):
        out = groups == group
        center = vectors[~out].mean(axis=0)
        penalty = ((vectors[~out] - center) ** 2).sum() / (~out).sum()
        model = Ridge(penalty, fit_intercept=False).fit(vectors[~out] - center, targets[~out])
        np.testing.assert_allclose(weights[out] @ targets, model.predict(vectors[out] - center), atol=1e-10)
        assert not weights[np.ix_(out, out)].any()


def test_what_is_left_out_leaks_no_target():
    products = []
    for seed in range(300):
        targets = np.random.default_rng(seed).permutation(8) - 3.5
        products.append((leave_one_out_weights(normal(seed, 8, 40), np.arange(8)) @ targets) @ targets)
    deviation = np.std(products) / np.sqrt(len(products))
    assert abs(np.mean(products)) < 4 * deviation


def test_a_planted_circle_is_one_and_no_line():
    values, items = figures(circle(), RING)
    made, line = values["circular", "made"], values["circular", "line"]
    assert made.value > 0.9
    assert made.interval[0] > max(made.null[1], line.value)
    assert (made.unit, made.layer, made.n) == ("ring", 3, 12)
    assert ("successor", "made") not in values
    assert sorted(item.text for item in items) == sorted(RING.words)


def test_a_planted_line_has_its_order_and_its_step():
    values, items = figures(straight(), LINE)
    for metric, n in (("linear", 10), ("successor", 9)):
        value = values[metric, "made"]
        assert value.value == 1
        assert value.interval[0] > value.null[1]
        assert value.n == n
    assert [item.text for item in items] == list(LINE.words)
    assert [item.rank for item in items] == list(range(1, 11))


def test_the_predicted_positions_are_those_of_an_independent_fit():
    vectors = straight(noise=2)
    rows, predicted = vectors[LINE.rows], []
    for i in range(10):
        others = np.delete(np.arange(10), i)
        center = rows[others].mean(axis=0)
        penalty = ((rows[others] - center) ** 2).sum() / 9
        model = Ridge(penalty, fit_intercept=False).fit(rows[others] - center, others - 4.5)
        predicted.append(model.predict(rows[i : i + 1] - center)[0])
    values, items = figures(vectors, LINE)
    assert values["linear", "made"].value == pytest.approx(spearmanr(predicted, np.arange(10)).statistic)
    assert [item.score for item in items] == pytest.approx(sorted(predicted))


def test_the_step_is_the_mean_of_pairs_that_share_no_word():
    vectors = straight(noise=3, seed=5)
    rows, hits = vectors[LINE.rows], []
    for i in range(9):
        steps = [rows[j + 1] - rows[j] for j in range(9) if not {i, i + 1} & {j, j + 1}]
        distances = np.linalg.norm(rows - (rows[i] + np.mean(steps, axis=0)), axis=1)
        distances[i] = np.inf
        hits.append(distances.argmin() == i + 1)
    values, _ = figures(vectors, LINE)
    assert 0 < values["successor", "made"].value < 1
    assert values["successor", "made"].value == pytest.approx(np.mean(hits))


def test_a_gap_in_a_sequence_is_no_step():
    gap = Ordered("gap", tuple("abcdefg"), np.arange(7), np.array([0, 1, 2, 4, 5, 6, 7]), None)
    values, _ = figures(straight()[:7], gap)
    assert values["successor", "made"].n == 5


@pytest.mark.parametrize("sequence", [RING, LINE])
def test_on_noise_figures_lie_in_their_null_as_often_as_it_says(sequence):
    inside = []
    for seed in range(25):
        values, _ = figures(normal(seed + 50, 12, WIDTH), sequence, Sampling(2, 100, seed))
        inside += [v.null[0] <= v.value <= v.null[1] for v in values.values() if v.variant == "made"]
    assert np.mean(inside) > 0.85  # of 50, 95 %: a deviation of 3 %


def test_things_that_are_all_one_have_no_figures():
    values, items = figures(np.full((12, WIDTH), 0.1), RING)
    assert set(values) == {("circular", "line")}
    assert not items


def test_rows_of_ranks_are_correlated_as_scipy_does():
    one, other = normal(7, 5, 9).round(), normal(8, 5, 9).round()
    expected = [spearmanr(*pair).statistic for pair in zip(one, other, strict=True)]
    np.testing.assert_allclose(_spearman(one, other), expected, atol=1e-12)
    assert _spearman(np.ones((1, 4)), rankdata([[3, 1, 2, 4]], axis=1)) == [0]


def test_planted_digits_are_read_where_the_other_digit_is_new():
    numbers = np.arange(100)
    units, tens = normal(9, 10, WIDTH), normal(10, 10, WIDTH)
    vectors = units[numbers % 10] + tens[numbers // 10] + 0.1 * normal(11, 100, WIDTH)
    for value in digit_values([Space("made", 2, vectors)], SAMPLING):
        assert value.value > 0.95
        assert value.interval[0] > value.null[1]
        assert value.null[0] < 0.1 < value.null[1]
    only = {value.metric: value for value in digit_values([Space("made", 2, units[numbers % 10])], SAMPLING)}
    assert only["units_digit"].value == 1
    assert only["tens_digit"].value <= only["tens_digit"].null[1]


def test_digits_of_noise_are_at_chance_and_of_nothing_no_figure():
    for value in digit_values([Space("made", 2, normal(12, 100, WIDTH))], SAMPLING):
        assert value.null[0] - 0.05 <= value.value <= value.null[1] + 0.05
    assert not list(digit_values([Space("made", 0, np.ones((100, 4)))], SAMPLING))


def test_sequences_keep_their_known_words_and_positions():
    known = [word for word in dict.fromkeys(word for words in SEQUENCES.values() for word in words) if word != "May"]
    kept = {sequence.name: sequence for sequence in select_sequences(known)}
    assert set(kept) == set(SEQUENCES)
    months = kept["months"]
    assert (months.period, len(months.rows)) == (12, 11)
    assert 4 not in months.positions
    for name, sequence in kept.items():
        assert [known[row] for row in sequence.rows] == list(sequence.words)
        assert [SEQUENCES[name][position] for position in sequence.positions] == list(sequence.words)
        assert (sequence.period is not None) == (name in CYCLES)


def test_too_few_words_are_refused():
    assert [each.name for each in select_sequences(SEQUENCES["days"][:5])] == ["days"]
    assert [each.name for each in select_sequences(SEQUENCES["days"][:3], min_words=3)] == ["days"]
    with pytest.raises(DataError, match="no sequence of order has 5 words that are single tokens"):
        select_sequences(SEQUENCES["days"][:4])
