"""Metrics against scikit-learn and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, f1_score, log_loss

from vocabsem.errors import DataError
from vocabsem.evaluation.metrics import confusion, evaluate, mean_and_std, reliability


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
    result = evaluate(labels, probabilities)
    predicted = probabilities.argmax(1)
    assert result["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert result["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert result["nll"] == pytest.approx(log_loss(labels, probabilities, labels=every))
    assert result["ece"] == pytest.approx(ece_by_loop(labels, probabilities))
    assert result["brier"] == pytest.approx(brier_score_loss(labels, probabilities, labels=every, scale_by_half=False))
    assert np.array_equal(confusion(labels, predicted, classes), confusion_matrix(labels, predicted, labels=every))


def test_a_constant_predictor_has_the_paper_s_cells():
    """TREC's test counts with one class predicted always give macro-F1 .038 and .053, as in the paper's Table 3."""
    labels = np.repeat(np.arange(6), [138, 94, 9, 65, 81, 113])
    always = lambda c: evaluate(labels, np.eye(6)[np.full(len(labels), c)])["macro_f1"]  # noqa: E731
    assert round(always(3), 3) == 0.038
    assert round(always(1), 3) == 0.053


def test_a_class_in_neither_labels_nor_predictions_has_no_f1():
    labels = np.array([0] * 8 + [2] * 8)
    assert evaluate(labels, np.eye(3)[labels])["macro_f1"] == 1
    assert evaluate(labels, np.eye(3)[np.full(16, 0)])["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert evaluate(labels, np.eye(3)[np.full(16, 1)])["macro_f1"] == 0, "all three occur"


def test_certainty():
    labels = np.array([0, 1, 1])
    right = evaluate(labels, np.eye(2)[labels])
    wrong = evaluate(labels, np.eye(2)[1 - labels])
    assert right == {"accuracy": 1, "macro_f1": 1, "nll": 0, "ece": 0, "brier": 0}
    assert wrong["nll"] == pytest.approx(-np.log(np.finfo(float).eps))
    assert wrong["ece"] == 1
    assert wrong["brier"] == 2


@pytest.mark.parametrize("n_bins", [4, 15])
def test_reliability_in_bins_of_equal_mass_is_that_of_scikit_learn(n_bins):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3) / 2, size=997)
    labels = rng.integers(3, size=997)
    result = reliability(labels, probabilities, "quantile", n_bins)
    hits = probabilities.argmax(1) == labels
    accuracy, confidence = calibration_curve(hits, probabilities.max(1), n_bins=n_bins, strategy="quantile")
    np.testing.assert_allclose(result.accuracy, accuracy)
    np.testing.assert_allclose(result.confidence, confidence)
    assert set(result.count) <= {997 // n_bins, 997 // n_bins + 1}, "equal mass"
    constant = reliability([0, 1], [[0.9, 0.1]] * 2, "quantile")
    assert sorted(constant.count) == [0] * 14 + [2], "equal confidences share a bin"


@pytest.mark.parametrize("n_bins", [15, 6])
def test_reliability_diagram(n_bins):
    labels, probabilities = predictions(n=500)
    result = reliability(labels, probabilities, n_bins=n_bins)
    top = probabilities.max(1)
    for number in range(n_bins):
        inside = (top >= number / n_bins) & (top < (number + 1) / n_bins)
        assert result.count[number] == inside.sum()
        if inside.any():
            assert result.confidence[number] == pytest.approx(top[inside].mean())
            assert result.accuracy[number] == pytest.approx((probabilities.argmax(1) == labels)[inside].mean())
        else:
            assert np.isnan(result.accuracy[number])
    gaps = np.nansum(result.count * np.abs(result.accuracy - result.confidence)) / 500
    assert result.count.sum() == 500
    assert gaps == pytest.approx(ece_by_loop(labels, probabilities, n_bins))


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
