"""Figures against scikit-learn and plain loops; intervals against a naive bootstrap."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, f1_score, log_loss

from vocabsem import metrics
from vocabsem.errors import DataError
from vocabsem.metrics import bootstrap, confusion, evaluate, mean_and_std, reliability, resample


def predictions(seed=0, n=200, classes=4):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.4), n)
    return generator.integers(classes, size=n), probabilities


def ece_by_loop(labels, probabilities, bins=15):
    total = 0.0
    for low in range(bins):
        inside = [
            (row.max(), row.argmax() == label)
            for label, row in zip(labels, probabilities, strict=True)
            if low / bins <= row.max() < (low + 1) / bins or (low == bins - 1 and row.max() == 1)
        ]
        if inside:
            total += len(inside) * abs(np.mean([hit for _, hit in inside]) - np.mean([top for top, _ in inside]))
    return total / len(labels)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 80), classes=st.integers(2, 9))
@settings(max_examples=60, deadline=None)
def test_equals_scikit_learn(seed, n, classes):
    labels, probabilities = predictions(seed, n, classes)
    every = np.arange(classes)
    found = evaluate(labels, probabilities)
    predicted = probabilities.argmax(1)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert found["macro_f1"] == pytest.approx(
        f1_score(labels, predicted, labels=every, average="macro", zero_division=0)
    )
    assert found["nll"] == pytest.approx(log_loss(labels, probabilities, labels=every))
    assert found["ece"] == pytest.approx(ece_by_loop(labels, probabilities))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, probabilities, labels=every, scale_by_half=False))
    assert np.array_equal(confusion(labels, predicted, classes), confusion_matrix(labels, predicted, labels=every))


def test_a_constant_predictor_has_the_paper_s_cells():
    """TREC's test counts with one class predicted always give macro-F1 .038 and .053, as in the paper's Table 3."""
    labels = np.repeat(np.arange(6), [138, 94, 9, 65, 81, 113])
    always = lambda c: evaluate(labels, np.eye(6)[np.full(len(labels), c)])["macro_f1"]  # noqa: E731
    assert round(always(3), 3) == 0.038
    assert round(always(1), 3) == 0.053


def test_certainty():
    labels = np.array([0, 1, 1])
    right = evaluate(labels, np.eye(2)[labels])
    wrong = evaluate(labels, np.eye(2)[1 - labels])
    assert right == {"accuracy": 1, "macro_f1": 1, "nll": 0, "ece": 0, "brier": 0}
    assert wrong["nll"] == pytest.approx(-np.log(np.finfo(float).eps))
    assert wrong["ece"] == 1
    assert wrong["brier"] == 2


def test_bootstrap_equals_a_naive_loop():
    labels, probabilities = predictions(n=60)
    found = bootstrap(labels, probabilities, resamples=200, seed=3)
    draws = np.random.default_rng(3).integers(60, size=(200, 60))
    values = [evaluate(labels[draw], probabilities[draw]) for draw in draws]
    for name, interval in found.items():
        expected = np.quantile([value[name] for value in values], [0.025, 0.975])
        assert interval == pytest.approx(expected, abs=1e-12), name


def test_an_interval_over_seeds_draws_examples_and_seeds():
    labels, first = predictions(n=60)
    stack = np.stack([first, predictions(1, n=60)[1], predictions(2, n=60)[1]])
    found = bootstrap(labels, stack, resamples=200, seed=3)
    draws = np.random.default_rng(3).integers(60, size=(200, 60))
    seeds = np.random.default_rng([3, 1]).integers(3, size=(200, 3))
    for name, interval in found.items():
        means = [
            np.mean([evaluate(labels[draw], stack[s][draw])[name] for s in drawn])
            for draw, drawn in zip(draws, seeds, strict=True)
        ]
        assert interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-12), name
    assert bootstrap(labels, first[None], resamples=20) == bootstrap(labels, first, resamples=20)


def test_seeds_that_differ_widen_the_interval():
    """Seeds with accuracies .5 and .9: over examples alone the interval would be a fifth as wide."""
    labels = np.zeros(4000, np.int64)
    seeds = [np.where((np.arange(4000) % 10 < tenths)[:, None], [0.9, 0.1], [0.1, 0.9]) for tenths in (5, 9)]
    low, high = bootstrap(labels, np.stack(seeds))["accuracy"]
    assert low < 0.52
    assert high > 0.88


def test_samples_hold_the_figures_of_each_seed():
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
    monkeypatch.setattr("vocabsem.metrics.MAX_ENTRIES", 1000)
    metrics._resampling_counts.cache_clear()
    parts = bootstrap(labels, probabilities, resamples=50, seed=1)
    for name in whole:
        assert parts[name] == pytest.approx(whole[name], abs=1e-12)


def test_bootstrap_is_quick():
    """2,000 examples, 1,000 resamples, 20 classes: well under a second alone; the bound allows for a busy machine."""
    labels, probabilities = predictions(n=2000, classes=20)
    start = time.process_time()
    bootstrap(labels, probabilities)
    assert time.process_time() - start < 5


def test_reliability_diagram():
    labels, probabilities = predictions(n=500)
    found = reliability(labels, probabilities)
    top = probabilities.max(1)
    for number in range(15):
        inside = (top >= number / 15) & (top < (number + 1) / 15)
        assert found.count[number] == inside.sum()
        if inside.any():
            assert found.confidence[number] == pytest.approx(top[inside].mean())
            assert found.accuracy[number] == pytest.approx((probabilities.argmax(1) == labels)[inside].mean())
        else:
            assert np.isnan(found.accuracy[number])
    gaps = np.nansum(found.count * np.abs(found.accuracy - found.confidence)) / 500
    assert found.count.sum() == 500
    assert gaps == pytest.approx(ece_by_loop(labels, probabilities))


def test_mean_and_std():
    assert mean_and_std([0.5]) == (0.5, 0.0)
    assert mean_and_std([1.0, 2.0, 3.0]) == (2.0, 1.0)
    with pytest.raises(DataError, match="no values"):
        mean_and_std([])


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.empty((0, 2)), r"expected \(N,\) integers and \(N, C\)"),
        ([0.0], [[1, 0]], "float64"),
        ([0, 1], [[1, 0]], r"labels \(2,\)"),
        ([2], [[1, 0]], "labels run from 2 to 2, expected 0 to 1"),
        ([-1], [[1, 0]], "labels run from -1"),
        ([0], [[0.7, 0.7]], "do not sum to one"),
        ([0], [[1.5, -0.5]], "negative"),
        ([0], [[np.nan, 1]], "NaN"),
    ],
)
def test_refuses(labels, probabilities, message):
    with pytest.raises(DataError, match=message):
        evaluate(np.array(labels, dtype=None if labels else np.int64), probabilities)
