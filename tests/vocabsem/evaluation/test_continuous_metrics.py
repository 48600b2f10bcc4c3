"""Metrics of numbers against scikit-learn and SciPy, also on resamples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from vocabsem.errors import DataError
from vocabsem.evaluation.comparison import paired_bootstrap
from vocabsem.evaluation.continuous_metrics import CONTINUOUS_METRICS, evaluate_continuous
from vocabsem.evaluation.kind_metrics import kinds_with, metric_names
from vocabsem.evaluation.resampling import bootstrap, resample

FINITE = st.floats(-1e3, 1e3, allow_subnormal=False)
PAIRS = st.lists(st.tuples(FINITE, FINITE), min_size=2, max_size=40)


def ratings(seed=0, n=60):
    """Targets with ties and predictions that lean to them."""
    generator = np.random.default_rng(seed)
    targets = generator.normal(100, 2, n).round()
    return targets, targets + generator.normal(0, 1, n)


@given(seed=st.integers(0, 10_000), n=st.integers(2, 80))
@settings(max_examples=60, deadline=None)
def test_equals_scikit_learn_and_scipy(seed, n):
    y, p = ratings(seed, n)
    result = evaluate_continuous(y, p)
    assert result["rmse"] == pytest.approx(root_mean_squared_error(y, p))
    assert result["mae"] == pytest.approx(mean_absolute_error(y, p))
    if len(set(y)) > 1:
        assert result["r2"] == pytest.approx(r2_score(y, p))
        assert result["spearman"] == pytest.approx(spearmanr(y, p)[0])


def test_where_targets_or_predictions_do_not_differ_nothing_is_explained():
    assert evaluate_continuous([2.0, 2.0], [1.0, 3.0]) == {"r2": 0, "spearman": 0, "rmse": 1, "mae": 1}
    constant = evaluate_continuous([1.0, 3.0], [2.0, 2.0])
    assert constant == {"r2": pytest.approx(0), "spearman": 0, "rmse": 1, "mae": 1}
    assert evaluate_continuous([7.0], [7.0]) == {"r2": 0, "spearman": 0, "rmse": 0, "mae": 0}


@given(PAIRS, st.floats(0.1, 10), FINITE)
def test_another_unit_changes_neither_r2_nor_ranks(pairs, factor, offset):
    y, p = np.array(pairs).round(3).T
    first, second = evaluate_continuous(y, p), evaluate_continuous(factor * y + offset, factor * p + offset)
    if y.std() > 1e-2:
        assert second["r2"] == pytest.approx(first["r2"], rel=1e-6, abs=1e-6)
    assert second["mae"] == pytest.approx(factor * first["mae"], rel=1e-6, abs=1e-6)
    assert first["mae"] <= first["rmse"] + 1e-9
    assert first["r2"] <= 1
    assert -1 <= first["spearman"] <= 1


@given(PAIRS)
def test_a_growing_function_of_the_predictions_leaves_the_ranks(pairs):
    y, p = np.array(pairs).round(3).T
    grown = np.arctan(p / 100) + p
    assert evaluate_continuous(y, grown)["spearman"] == pytest.approx(evaluate_continuous(y, p)["spearman"], abs=1e-9)
    assert evaluate_continuous(y, -p)["spearman"] == pytest.approx(-evaluate_continuous(y, p)["spearman"], abs=1e-9)


def test_each_resample_is_scored_as_the_libraries_score_it():
    y, p = ratings()
    replicates = resample(y, np.stack([p, p + 1]), resamples=100)
    rows = np.random.default_rng(0).integers(np.full(60, 60), size=(100, 60))  # drawn from all, in order
    for seed, each in enumerate((p, p + 1)):
        expected = [r2_score(y[i], each[i]) for i in rows]
        np.testing.assert_allclose(replicates["r2"].replicates[:, seed], expected, atol=1e-9)
    ranks = np.stack([rankdata(y), rankdata(p)])
    expected = [np.corrcoef(ranks[:, i])[0, 1] for i in rows]
    np.testing.assert_allclose(replicates["spearman"].replicates[:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(
        replicates["rmse"].replicates[:, 1], [root_mean_squared_error(y[i], p[i] + 1) for i in rows]
    )


@given(seed=st.integers(0, 1000), n=st.integers(2, 20))
@settings(max_examples=30, deadline=None)
def test_an_interval_holds_its_figure(seed, n):
    y, p = ratings(seed, n)
    values, intervals = evaluate_continuous(y, p), bootstrap(y, p, resamples=50)
    assert list(values) == list(intervals) == list(CONTINUOUS_METRICS) == list(metric_names("continuous"))
    assert all(low <= values[name] <= high for name, (low, high) in intervals.items())


def test_methods_are_compared_on_the_same_rows():
    y, p = ratings()
    gap = paired_bootstrap(y, p[None], np.full((1, 60), y.mean()), metric="r2", resamples=99)
    assert gap.value == pytest.approx(r2_score(y, p))
    assert gap.low > 0
    assert kinds_with("mae") == ("ordinal", "continuous")


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([1.0, 2.0], [1.0], r"targets \(2,\) and predictions \(1,\)"),
        ([], [], r"targets \(0,\)"),
        ([1.0, np.nan], [1.0, 2.0], "NaN or infinite"),
        ([1.0, 2.0], [1.0, np.inf], "NaN or infinite"),
    ],
)
def test_refuses_other_numbers(y, p, message):
    with pytest.raises(DataError, match=message):
        evaluate_continuous(y, p)


def test_metrics_of_classes_are_no_metrics_of_numbers():
    with pytest.raises(DataError, match="have no metric 'macro_f1', only r2, spearman, rmse, mae"):
        resample(np.array([1.0, 2.0]), np.ones((1, 2)), metrics=["macro_f1"])
