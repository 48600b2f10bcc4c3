"""Rank correlation: against Pearson's and the inverse of the correlations, and what leaves it as it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.lexicon import partial_spearman

SEEDS = st.integers(0, 2**32 - 1)
NONE = np.empty((60, 0))


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


@given(SEEDS)
def test_a_rank_correlation_is_pearsons_of_ranks_with_ties(seed):
    one, other = normal(seed, 2, 60).round()
    assert partial_spearman(one, other, NONE) == pytest.approx(pearsonr(rankdata(one), rankdata(other)).statistic)


@given(SEEDS)
def test_with_two_variables_fixed_it_is_that_of_the_inverse_correlations_of_ranks(seed):
    one, other, *fixed = normal(seed, 4, 60)
    ranks = np.stack([rankdata(column) for column in fixed], axis=1)
    figure = partial_spearman(one, other, np.stack(fixed, axis=1))
    precision = np.linalg.inv(np.corrcoef(np.stack([rankdata(one), rankdata(other), *ranks.T])))
    assert figure == pytest.approx(-precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1]), abs=1e-9)


@given(SEEDS, st.booleans())
def test_only_ranks_count_and_not_the_order_of_rows(seed, partial):
    one, other, cause = normal(seed, 3, 60)
    order, fixed = np.random.default_rng(seed).permutation(60), cause[:, None] if partial else NONE
    figure = partial_spearman(one, other, fixed)
    assert partial_spearman(other, one, fixed) == pytest.approx(figure, abs=1e-9)
    assert partial_spearman(one[order], other[order], fixed[order]) == pytest.approx(figure, abs=1e-9)
    assert partial_spearman(np.exp(one), other**3, np.exp(fixed)) == pytest.approx(figure, abs=1e-9)
    assert partial_spearman(-one, other, fixed) == pytest.approx(-figure, abs=1e-9)
    assert -1 - 1e-9 <= figure <= 1 + 1e-9


def test_the_interval_of_a_rank_correlation_covers_the_truth_as_often_as_it_says():
    truth, hits = 6 / np.pi * np.arcsin(0.6 / 2), 0  # Spearman's of a normal pair with Pearson's 0.6
    for seed in range(30):
        one, noise = normal(seed, 2, 60)
        other = 0.6 * one + 0.8 * noise
        low, high = Sampling(100, 20, seed).interval(
            lambda rows, one=one, other=other: partial_spearman(one[rows], other[rows], NONE[rows]), 60
        )
        hits += low <= truth <= high
    assert 25 <= hits <= 30  # 28.5 wanted, with a binomial deviation of 1.2
