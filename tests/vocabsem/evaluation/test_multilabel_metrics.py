"""Metrics of sets of labels against scikit-learn, also on resamples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, log_loss

from vocabsem.errors import DataError
from vocabsem.evaluation.comparison import paired_bootstrap
from vocabsem.evaluation.kind_metrics import metric_names
from vocabsem.evaluation.multilabel_metrics import evaluate_multilabel
from vocabsem.evaluation.resampling import bootstrap, resample


def answers(seed=0, n=120, labels=4, rate=0.3):
    """Labels, probabilities that lean to them, and predictions from a threshold that is not one half."""
    generator = np.random.default_rng([seed, n, labels])
    y = (generator.random((n, labels)) < rate).astype(int)
    p = np.clip(0.4 * y + 0.6 * generator.random((n, labels)), 0, 1)
    return y, p, (p >= 0.55).astype(int)


def sklearn_scores(y, p, predicted):
    each = [(y[:, label], p[:, label]) for label in range(y.shape[1])]
    return {
        "accuracy": accuracy_score(y, predicted),
        "macro_f1": f1_score(y, predicted, average="macro", zero_division=np.nan),
        "micro_f1": f1_score(y, predicted, average="micro", zero_division=0),
        "nll": np.mean([log_loss(*one, labels=[0, 1]) for one in each]),
        "brier": np.mean([brier_score_loss(*one, labels=[0, 1]) for one in each]),
    }


@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), labels=st.integers(2, 6), rate=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_equals_scikit_learn(seed, n, labels, rate):
    y, p, predicted = answers(seed, n, labels, rate)
    expected = sklearn_scores(y, p, predicted)
    if not (y.any() or predicted.any()):
        expected["macro_f1"] = 0  # scikit-learn has no number here
    assert evaluate_multilabel(y, p, predicted) == pytest.approx(expected, abs=1e-12)


def test_a_text_without_labels_is_right_where_none_is_predicted():
    result = evaluate_multilabel([[0, 0], [1, 0]], [[0, 0], [1, 0]], [[0, 0], [1, 0]])
    assert result == pytest.approx({"accuracy": 1, "macro_f1": 1, "micro_f1": 1, "nll": 0, "brier": 0})
    assert evaluate_multilabel([[0, 0]], [[0, 0]], [[0, 0]])["micro_f1"] == 0, "no label, none predicted"


def test_resamples_are_drawn_from_all_texts_and_scored_as_scikit_learn_scores_them():
    y, p, predicted = answers(n=50)
    sample = resample(y, np.stack([p, predicted], -1)[None], resamples=20)
    assert tuple(sample) == metric_names("multi")
    rows = np.random.default_rng(0).integers(50, size=(20, 50))
    expected = [sklearn_scores(y[each], p[each], predicted[each]) for each in rows]
    for name, metric in sample.items():
        np.testing.assert_allclose(metric.replicates[:, 0], [each[name] for each in expected], atol=1e-12)


def test_intervals_hold_the_metrics_and_seeds_are_averaged():
    y, p, predicted = answers()
    one = np.stack([p, predicted], -1)
    metrics = evaluate_multilabel(y, p, predicted)
    for name, (low, high) in bootstrap(y, one, resamples=100).items():
        assert low <= metrics[name] <= high
    alone, twice = (bootstrap(y, each, resamples=100) for each in (one, np.stack([one, one])))
    assert {name: pytest.approx(ends) for name, ends in alone.items()} == twice


def test_differences_are_paired():
    y, p, predicted = answers()
    right = np.stack([y, y], -1)[None]
    gap = paired_bootstrap(y, right, np.stack([p, predicted], -1)[None], metric="micro_f1", resamples=50)
    assert gap.value == pytest.approx(1 - evaluate_multilabel(y, p, predicted)["micro_f1"])
    assert paired_bootstrap(y, right, right, metric="macro_f1", resamples=50).value == 0


@pytest.mark.parametrize(
    ("labels", "probabilities", "predicted", "message"),
    [
        ([[2, 0]], [[0.5, 0.5]], [[0, 0]], "1 where a text has the label, else 0"),
        ([[1, 0]], [[0.5, 0.5]], [[0.5, 0]], "1 where a text has the label, else 0"),
        ([[1, 0]], [[1.5, 0.5]], [[1, 0]], "not in 0..1"),
        ([[1, 0]], [[np.nan, 0.5]], [[1, 0]], "not in 0..1"),
        ([[1, 0, 1]], [[0.5, 0.5]], [[1, 0]], r"labels \(1, 3\) and answers \(1, 2, 2\)"),
    ],
)
def test_what_is_no_set_of_labels_is_one_error(labels, probabilities, predicted, message):
    with pytest.raises(DataError, match=message):
        evaluate_multilabel(labels, probabilities, predicted)


def test_a_metric_of_other_labels_is_one_error():
    y, p, predicted = answers()
    with pytest.raises(DataError, match=r"labels \(120, 4\) have no metric 'qwk', only accuracy, macro_f1, micro_f1"):
        resample(y, np.stack([p, predicted], -1)[None], metrics=["qwk"])
    with pytest.raises(DataError, match="no metric 'micro_f1'"):
        resample([0, 1], np.eye(2)[None], metrics=["micro_f1"])
