"""Bootstrap intervals against a naive loop and the normal interval."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vocabsem.evaluation.test_metrics import predictions
from vocabsem.evaluation import resampling
from vocabsem.evaluation.metrics import evaluate
from vocabsem.evaluation.resampling import bootstrap, resample


def draws_by_class(labels, resamples, seed):
    """(resamples, N) indices: the examples class by class, each replaced by one drawn from its class."""
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    sizes = np.concatenate([np.full(len(group), len(group)) for group in groups])
    picked = np.random.default_rng(seed).integers(sizes, size=(resamples, len(labels)))
    first = np.cumsum([0, *map(len, groups)])[:-1]
    within = np.split(picked, first[1:], axis=1)
    return np.concatenate([group[part] for group, part in zip(groups, within, strict=True)], axis=1)


def holding(interval, value):
    """The interval, with the value as its end where it lies outside."""
    return min(interval[0], value), max(interval[1], value)


@st.composite
def answers(draw):
    """Labels (N,) and probabilities (S, N, C) of few examples: absent classes, answers alike or certain."""
    classes, n = draw(st.integers(2, 5)), draw(st.integers(1, 12))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    chosen = st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)
    confidence = draw(st.sampled_from([0.6, 0.93, 1.0]))
    predicted = np.array(draw(st.lists(chosen, min_size=1, max_size=3)))
    return np.array(labels), np.eye(classes)[predicted] * confidence + (1 - confidence) / classes


@given(answers(), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_an_interval_holds_its_estimate(case, seed):
    labels, stack = case
    for sample in resample(labels, stack, resamples=20, seed=seed).values():
        low, high = sample.interval(seed)
        assert low <= sample.values.mean() <= high
        for index, value in enumerate(sample.values):
            low, high = sample.select_seeds(index).interval(seed)
            assert low <= value <= high


@given(answers(), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_resample_has_the_classes_of_the_data(case, seed):
    labels, _ = case
    for counts in np.concatenate(list(resampling._resampling_counts(labels, 10, seed))):
        assert np.array_equal(np.bincount(labels, counts), np.bincount(labels))


def test_perfect_answers_have_an_interval_of_one_however_rare_a_class_is():
    labels = np.array([0] * 72 + [1])
    assert bootstrap(labels, np.eye(2)[labels] * 0.98 + 0.01)["macro_f1"] == (1, 1)


def test_bootstrap_equals_a_naive_loop():
    labels, probabilities = predictions(n=60)
    result = bootstrap(labels, probabilities, resamples=200, seed=3)
    draws = draws_by_class(labels, 200, 3)
    values, whole = [evaluate(labels[draw], probabilities[draw]) for draw in draws], evaluate(labels, probabilities)
    for name, interval in result.items():
        expected = holding(np.quantile([value[name] for value in values], [0.025, 0.975]), whole[name])
        assert interval == pytest.approx(expected, abs=1e-12), name


def test_an_interval_over_seeds_draws_examples_and_seeds():
    labels, first = predictions(n=60)
    stack = np.stack([first, predictions(1, n=60)[1], predictions(2, n=60)[1]])
    result = bootstrap(labels, stack, resamples=200, seed=3)
    draws = draws_by_class(labels, 200, 3)
    seeds = np.random.default_rng([3, 1]).integers(3, size=(200, 3))
    for name, interval in result.items():
        means = [
            np.mean([evaluate(labels[draw], stack[s][draw])[name] for s in sampled])
            for draw, sampled in zip(draws, seeds, strict=True)
        ]
        expected = holding(np.quantile(means, [0.025, 0.975]), np.mean([evaluate(labels, p)[name] for p in stack]))
        assert interval == pytest.approx(expected, abs=1e-12), name
    assert bootstrap(labels, first[None], resamples=20) == bootstrap(labels, first, resamples=20)


def test_seeds_that_differ_widen_the_interval():
    """Seeds with accuracies .5 and .9: over examples alone the interval would be a fifth as wide."""
    labels = np.zeros(4000, np.int64)
    seeds = [np.where((np.arange(4000) % 10 < tenths)[:, None], [0.9, 0.1], [0.1, 0.9]) for tenths in (5, 9)]
    low, high = bootstrap(labels, np.stack(seeds))["accuracy"]
    assert low < 0.52
    assert high > 0.88


def test_samples_hold_the_metrics_of_each_seed():
    labels, first = predictions(n=60)
    stack = np.stack([first, predictions(1, n=60)[1]])
    samples = resample(labels, stack, resamples=50)
    for name, sample in samples.items():
        assert sample.values == pytest.approx([evaluate(labels, p)[name] for p in stack])
        assert sample.replicates.shape == (50, 2)
        for index, p in enumerate(stack):
            assert sample.select_seeds(index).interval() == pytest.approx(bootstrap(labels, p, resamples=50)[name])
    (only,) = resample(labels, stack, metrics=("nll",), resamples=50).values()
    assert np.allclose(only.replicates, samples["nll"].replicates, rtol=0, atol=1e-12)


def test_bootstrap_covers_the_normal_interval_of_accuracy():
    labels = np.arange(2000) % 2
    probabilities = np.where((np.arange(2000) % 10 < 8)[:, None], np.eye(2)[labels], np.eye(2)[1 - labels])
    low, high = bootstrap(labels, probabilities, resamples=4000)["accuracy"]
    half = 1.96 * np.sqrt(0.8 * 0.2 / 2000)
    # a quantile of 4,000 draws has a standard error of about 1/30 of the half-width
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half), abs=half / 8)


def test_bootstrap_is_seeded_and_does_not_depend_on_its_batches(monkeypatch):
    labels, probabilities = predictions()
    whole = bootstrap(labels, probabilities, resamples=50, seed=1)
    assert whole == bootstrap(labels, probabilities, resamples=50, seed=1)
    assert whole != bootstrap(labels, probabilities, resamples=50, seed=2)
    monkeypatch.setattr("vocabsem.evaluation.resampling.MAX_ENTRIES", 1000)
    resampling._kept_counts.cache_clear()
    parts = bootstrap(labels, probabilities, resamples=50, seed=1)
    for name in whole:
        assert parts[name] == pytest.approx(whole[name], abs=1e-12)


def test_counts_that_are_too_many_to_keep_are_drawn_again_and_are_the_same(monkeypatch):
    labels, probabilities = predictions()
    kept = bootstrap(labels, probabilities, resamples=50, seed=1)
    monkeypatch.setattr("vocabsem.evaluation.resampling.MAX_CACHED_ENTRIES", 0)
    resampling._kept_counts.cache_clear()
    assert bootstrap(labels, probabilities, resamples=50, seed=1) == kept
    assert resampling._kept_counts.cache_info().currsize == 0


def test_bootstrap_is_quick():
    """2,000 examples, 1,000 resamples, 20 classes: well under a second alone; the bound allows for a busy machine."""
    labels, probabilities = predictions(n=2000, classes=20)
    start = time.process_time()
    bootstrap(labels, probabilities)
    assert time.process_time() - start < 5


def test_an_answer_that_is_always_the_same_place_has_the_interval_of_a_binomial_share():
    labels = np.tile(np.arange(4), 75)
    always_first = np.tile(np.eye(4)[0], (1, len(labels), 1))
    low, high = resample(labels, always_first, metrics=("accuracy",), by_class=False)["accuracy"].interval()
    half = 1.96 * np.sqrt(0.25 * 0.75 / len(labels))
    # ends of a 95 % interval from 1000 resamples wander by a fifth of the standard deviation
    assert [low, high] == pytest.approx([0.25 - half, 0.25 + half], abs=0.4 * half / 1.96)
    assert resample(labels, always_first, metrics=("accuracy",))["accuracy"].interval() == (0.25, 0.25)
