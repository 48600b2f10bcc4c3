"""Intervals of studies: against closed forms, the same at every call."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chisquare, norm

from vocabsem.instruments.base import Sampling, Space, percentiles
from vocabsem.instruments.rate_distortion import rate_distortion_study


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).standard_normal(400)
    low, high = Sampling(resamples=4000, null_draws=1, seed=1).interval(lambda rows: values[rows].mean(), 400)
    deviation = values.std() / 20
    expected = values.mean() + norm.ppf([0.025, 0.975]) * deviation
    assert [low, high] == pytest.approx(expected, abs=0.15 * deviation)  # 4,000 draws: ends are exact to 4 %


def test_draws_are_those_of_the_seed_and_of_the_stream():
    sampling = Sampling(resamples=20, null_draws=5, seed=3)
    assert sampling.generator(1).integers(1000) == sampling.generator(1).integers(1000)
    streams = {Sampling(20, 5, seed).generator(stream).integers(2**40) for seed in (3, 4) for stream in (0, 1)}
    assert len(streams) == 4
    spans = [sampling.interval(lambda rows: float(rows.sum()), 9) for _ in range(2)]
    assert spans[0] == spans[1]


def test_percentiles_are_those_of_numpy():
    draws = np.random.default_rng(2).standard_normal(1001)
    assert percentiles(draws) == pytest.approx((np.percentile(draws, 2.5), np.percentile(draws, 97.5)))


def test_a_null_holds_noise_about_as_often_as_it_says_and_nothing_planted():
    inside = {"distortion": 0, "ari": 0}
    for seed in range(15):
        generator = np.random.default_rng(seed)
        labels, noise = generator.permutation(np.arange(30) % 2), generator.standard_normal((30, 3))
        for value in partition(labels, noise, seed):
            inside[value.metric] += value.null[0] <= value.value <= value.null[1]
    assert min(inside.values()) >= 10  # of 30 draws the ends hold about 89 %: 13.3, with a deviation of 1.2
    distortion, ari = partition(labels, noise + 3 * labels[:, None], seed)
    assert distortion.value < distortion.null[0]
    assert ari.value > ari.null[1]


def partition(labels, vectors, seed):
    """Distortion and Rand index."""
    spaces, sampling = [Space("made", None, vectors)], Sampling(resamples=2, null_draws=30, seed=seed)
    result = rate_distortion_study("made", spaces, labels, starts=1, sampling=sampling)
    return [value for value in result.values if value.metric in ("distortion", "ari")]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0.1, 10), st.floats(-5, 5))
def test_percentiles_move_with_the_draws_and_not_with_their_order(draws, scale, shift):
    low, high = percentiles(draws)
    assert min(draws) - 1e-6 <= low <= high <= max(draws) + 1e-6
    assert percentiles(sorted(draws)) == percentiles(draws)
    moved = percentiles(scale * np.array(draws) + shift)
    assert moved == pytest.approx((scale * low + shift, scale * high + shift), abs=1e-6, rel=1e-6)
    assert percentiles(-np.array(draws)) == pytest.approx((-high, -low), abs=1e-6)


def test_the_interval_of_a_share_is_that_of_the_binomial_distribution():
    hits = np.arange(200) < 60
    low, high = Sampling(resamples=2000, null_draws=1, seed=5).interval(lambda rows: hits[rows].mean(), 200)
    assert [low, high] == pytest.approx(binom(200, 0.3).ppf([0.025, 0.975]) / 200, abs=0.011)


def test_an_interval_draws_as_many_things_with_replacement():
    seen = []
    Sampling(resamples=50, null_draws=1, seed=6).interval(lambda rows: seen.append(rows) or 0.0, 12)
    assert len(seen) == 50
    assert all(rows.shape == (12,) and rows.min() >= 0 and rows.max() < 12 for rows in seen)
    assert any(len(set(rows)) < 12 for rows in seen)
    counts = np.bincount(np.concatenate(seen), minlength=12)
    assert chisquare(counts).pvalue > 0.001
