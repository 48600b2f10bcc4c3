"""Metrics of classes in order against scikit-learn, also on resamples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from vocabsem.comparison import paired_bootstrap
from vocabsem.errors import DataError
from vocabsem.metrics import METRICS
from vocabsem.ordinal_metrics import evaluate_ordinal, metric_names
from vocabsem.resampling import bootstrap, resample


def predictions(seed=0, n=200, classes=5):
    """Labels and probabilities that lean to them."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=n)
    near = np.exp(-np.abs(np.arange(classes) - labels[:, None]))
    return labels, generator.dirichlet(np.ones(classes), n) * 0.6 + 0.4 * near / near.sum(1, keepdims=True)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 80), classes=st.integers(2, 9))
@settings(max_examples=60, deadline=None)
def test_equals_scikit_learn(seed, n, classes):
    labels, probabilities = predictions(seed, n, classes)
    predicted = probabilities.argmax(1)
    result = evaluate_ordinal(labels, probabilities)
    assert result["mae"] == pytest.approx(mean_absolute_error(labels, predicted))
    if len({*labels, *predicted}) > 1:
        expected = cohen_kappa_score(labels, predicted, labels=np.arange(classes), weights="quadratic")
        assert result["qwk"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("only", [0, 3])
def test_where_labels_and_predictions_are_one_class_there_is_no_agreement_beyond_chance(only):
    assert evaluate_ordinal(np.full(7, only), np.eye(5)[np.full(7, only)]) == {"qwk": 0, "mae": 0}


def test_bounds():
    labels = np.arange(10) % 5
    assert evaluate_ordinal(labels, np.eye(5)[labels]) == {"qwk": 1, "mae": 0}
    assert evaluate_ordinal(labels, np.eye(5)[4 - labels])["qwk"] == pytest.approx(-1)
    assert evaluate_ordinal(labels, np.eye(5)[np.full(10, 2)]) == {"qwk": 0, "mae": 1.2}, "a constant agrees by chance"


def test_each_resample_is_scored_as_scikit_learn_scores_it():
    labels, probabilities = predictions(n=60)
    predicted = probabilities.argmax(1)
    replicates = resample(labels, probabilities[None], metrics=["qwk", "mae"], resamples=200)
    kappas, order = [], labels.argsort(kind="stable")
    sizes = np.bincount(labels)
    first = np.repeat(sizes.cumsum() - sizes, sizes)
    rows = order[first + np.random.default_rng(0).integers(sizes[np.sort(labels)], size=(200, 60))]
    kappas = [cohen_kappa_score(labels[each], predicted[each], weights="quadratic") for each in rows]
    np.testing.assert_allclose(replicates["qwk"].replicates[:, 0], kappas, atol=1e-12)
    np.testing.assert_allclose(replicates["mae"].replicates[:, 0], np.abs(labels - predicted)[rows].mean(1), atol=1e-12)


def test_the_others_stay_as_they_are():
    labels, probabilities = predictions()
    assert list(bootstrap(labels, probabilities, resamples=10)) == list(METRICS) == list(metric_names("nominal"))
    alone = resample(labels, probabilities[None], resamples=50)
    beside = resample(labels, probabilities[None], metrics=metric_names("ordinal"), resamples=50)
    for name in METRICS:
        np.testing.assert_allclose(beside[name].replicates, alone[name].replicates, atol=1e-12)
        assert beside[name].interval() == pytest.approx(alone[name].interval(), abs=1e-12)


def test_methods_are_compared_by_them():
    labels, probabilities = predictions()
    constant = np.eye(5)[np.full(len(labels), 2)]
    gap = paired_bootstrap(labels, probabilities[None], constant[None], metric="qwk", resamples=99)
    assert gap.value == pytest.approx(evaluate_ordinal(labels, probabilities)["qwk"])
    assert gap.low > 0


def test_refuses_what_the_other_metrics_refuse():
    with pytest.raises(DataError, match="labels run from 2 to 2, expected 0 to 1"):
        evaluate_ordinal([2], [[1, 0]])
