"""Metrics against scikit-learn, on the predictions as they are stored."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from tests.tasks.test_fits import fits, predictions_of, states_of
from tests.tasks.worlds import SPLITS, World, compute, fit_of, snapshot
from tests.vocabsem.evaluation.test_resampling import draws_by_class
from vocabsem.vocabulary.geometry import adjusted_rand
from warehouse.lake.partition import Lake

OF_PREDICTIONS = ("accuracy", "macro_f1", "nll", "ece", "brier")


def figures_of(plan, fit):
    """{(split, seed, metric): row}; the seed is None for the figure over seeds."""
    rows = fit.metrics.partition(Lake(plan.home)).table().to_pylist()
    result = {(row["split"], row["seed"], row["metric"]): row for row in rows}
    assert len(result) == len(rows), "each figure once"
    return result


def expected_ece(labels, probabilities, bins=15):
    """By its definition, bin by bin."""
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    index = np.minimum(np.floor(confidence.astype(np.float64) * bins), bins - 1)
    gaps = [abs(hit[index == b].sum() - confidence[index == b].sum()) for b in range(bins)]
    return sum(gaps) / len(labels)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_figures_equal_those_of_scikit_learn(done, split):
    for fit in fits(done):
        figures = figures_of(done, fit)
        for seed, (_, labels, _, stored) in predictions_of(done, fit, split).items():
            probabilities = stored.astype(np.float64)
            predicted = probabilities.argmax(axis=1)
            expected = {
                "accuracy": accuracy_score(labels, predicted),
                "macro_f1": f1_score(labels, predicted, average="macro"),
                "nll": log_loss(labels, probabilities / probabilities.sum(axis=1, keepdims=True), labels=[0, 1, 2]),
                "ece": expected_ece(labels, probabilities),
                "brier": np.square(probabilities - np.eye(3)[labels]).sum(axis=1).mean(),
            }
            for metric, value in expected.items():
                # stored probabilities are float32, whose rows sum to one within 1e-7
                assert figures[split, seed, metric]["value"] == pytest.approx(value, abs=1e-6)


def test_over_seeds_stands_the_mean_with_its_spread_inside_its_interval(done):
    for fit in fits(done):
        figures = figures_of(done, fit)
        seeds = fit.predictions.spec.seeds
        for (split, seed, metric), row in figures.items():
            if seed is not None:
                assert row["spread"] is None
                continue
            values = [figures[split, one, metric]["value"] for one in seeds]
            assert row["value"] == pytest.approx(np.mean(values))
            assert row["spread"] == pytest.approx(np.std(values, ddof=1) if len(values) > 1 else 0.0)
            assert (row["low"] is None) == (row["high"] is None) == (metric not in OF_PREDICTIONS)
            if metric in OF_PREDICTIONS:
                assert row["low"] <= row["value"] <= row["high"]


def test_an_interval_over_seeds_is_that_of_resampled_examples_and_seeds(done):
    fit = fit_of(done, "linear_probe", 4)
    stored = predictions_of(done, fit)
    hits = np.stack([predicted == labels for _, labels, predicted, _ in stored.values()])  # (S, N)
    rng = np.random.default_rng(99)
    _, labels, *_ = next(iter(stored.values()))
    draws = ((rng.integers(len(hits), size=len(hits)), draws_by_class(labels, 1, one)[0]) for one in range(4000))
    means = [hits[seeds][:, examples].mean() for seeds, examples in draws]
    row = figures_of(done, fit)["test", None, "accuracy"]
    # ends of a 95 % interval from 1000 resamples wander by a fifth of the standard deviation, in steps of 1/24
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx(
        [row["low"], row["high"]], abs=0.2 * np.std(means) + 1 / 24
    )


def test_clusters_are_scored_before_and_after_on_test_data_only(done):
    _, labels, states = states_of(done, "test")
    before = adjusted_rand(states, labels, 3, random_state=0)
    scored = 0
    for fit in fits(done):
        figures = figures_of(done, fit)
        moves = fit.method in ("anchor_similarity", "paper_calibrator", "vocabulary_calibrator")
        names = {metric for _, _, metric in figures}
        assert ({"ari_before", "ari_after"} <= names) == moves
        assert ("validation", None, "ari_after") not in figures
        assert ("validation", None, "fit_seconds") not in figures
        assert figures["test", None, "fit_seconds"]["value"] >= 0
        if moves:
            scored += 1
            assert figures["test", None, "ari_before"]["value"] == pytest.approx(before)
            assert -1 <= figures["test", None, "ari_after"]["value"] <= 1
    assert scored == 1 + 3 + 2 * 4, (
        "by similarity, by the paper at three numbers of shots, by ours and its control at four"
    )


def test_test_rows_fewer_than_classes_are_scored_without_clusters(tmp_path, monkeypatch):
    monkeypatch.setitem(SPLITS, "test", 2)
    plan = World(tmp_path, experiment={"methods": ["anchor_similarity"], "shots": [0]}).plan()
    compute(plan)
    names = {metric for _, _, metric in figures_of(plan, fit_of(plan, "anchor_similarity", 0))}
    assert "macro_f1" in names
    assert not names & {"ari_before", "ari_after"}


def test_scoring_again_changes_no_file(done):
    before = snapshot(done.home.lake)
    compute(done, ("metrics",))
    assert snapshot(done.home.lake) == before
