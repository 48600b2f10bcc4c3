"""Intervals of studies: against closed forms, the same at every call."""

import numpy as np
import pytest
from scipy.stats import norm

from vocabsem.instruments.base import Sampling, percentiles


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
