"""Metrics of classes in order against scikit-learn, also on resamples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from vocabsem.errors import DataError
from vocabsem.evaluation.comparison import paired_bootstrap
from vocabsem.evaluation.kind_metrics import metric_names
from vocabsem.evaluation.metrics import METRICS
from vocabsem.evaluation.ordinal_metrics import evaluate_ordinal
from vocabsem.evaluation.resampling import bootstrap, resample


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


PAIRS = st.integers(2, 7).flatmap(
    lambda classes: st.tuples(
        st.just(classes), st.lists(st.tuples(*[st.integers(0, classes - 1)] * 2), min_size=1, max_size=40)
    )
)


def of_pairs(classes, pairs):
    """Metrics of pairs of label and predicted class."""
    labels, predicted = np.array(pairs).T
    return evaluate_ordinal(labels, np.eye(classes)[predicted])


@given(PAIRS)
def test_kappa_with_quadratic_weights_is_the_concordance_correlation(sample):
    """Lin, 1989: 2 cov / (var + var + squared difference of the means)."""
    classes, pairs = sample
    y, p = np.array(pairs, float).T
    apart = y.var() + p.var() + (y.mean() - p.mean()) ** 2
    expected = 2 * np.cov(y, p, ddof=0)[0, 1] / apart if apart else 0
    assert of_pairs(classes, pairs)["qwk"] == pytest.approx(expected, abs=1e-9)


@given(PAIRS)
def test_turning_the_order_or_swapping_the_sides_changes_neither_figure(sample):
    classes, pairs = sample
    result = of_pairs(classes, pairs)
    turned = [(classes - 1 - label, classes - 1 - predicted) for label, predicted in pairs]
    swapped = [pair[::-1] for pair in pairs]
    for other in (turned, swapped, pairs[::-1], pairs * 3):
        assert of_pairs(classes, other) == pytest.approx(result, abs=1e-9)


@given(PAIRS, st.data())
def test_bounds_and_the_triangle(sample, data):
    classes, pairs = sample
    result = of_pairs(classes, pairs)
    assert -1 - 1e-9 <= result["qwk"] <= 1 + 1e-9
    assert (result["mae"] == 0) == all(label == predicted for label, predicted in pairs)
    wrong = np.mean([label != predicted for label, predicted in pairs])
    assert wrong - 1e-9 <= result["mae"] <= (classes - 1) * wrong + 1e-9
    third = data.draw(st.lists(st.integers(0, classes - 1), min_size=len(pairs), max_size=len(pairs)))
    first, second = zip(*pairs, strict=True)
    around = [of_pairs(classes, list(zip(side, third, strict=True)))["mae"] for side in (first, second)]
    assert result["mae"] <= sum(around) + 1e-9


def test_a_worse_distance_costs_the_square_in_kappa_and_once_in_mae():
    labels = np.tile(np.arange(5), 20)
    rows = [0, 5, 10, 15]  # of class 0
    near, far = labels.copy(), labels.copy()
    near[rows], far[rows[:2]] = 1, 2  # the same distance in all, on half the rows
    near, far = (of_pairs(5, list(zip(labels, each, strict=True))) for each in (near, far))
    assert near["mae"] == far["mae"] == 0.04
    assert near["qwk"] > far["qwk"]
