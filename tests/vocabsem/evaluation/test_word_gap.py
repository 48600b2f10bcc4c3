"""Approximate scores of label words beside exact ones, against scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score

from vocabsem.errors import DataError
from vocabsem.evaluation.word_gap import compare_scores


def made(rows=40, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    exact = rng.normal(size=(rows, classes)) * 8 - 30
    return exact, np.round(exact + rng.normal(size=exact.shape) * 6), rng.integers(classes, size=rows)


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_scipy_and_scikit_learn(seed):
    exact, scores, labels = made(seed=seed)
    result = compare_scores(exact, scores, labels)
    predicted = scores.argmax(axis=1)
    assert result["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert result["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    rows = [spearmanr(one, other).statistic for one, other in zip(exact, scores, strict=True)]
    assert result["spearman"] == pytest.approx(np.mean(rows)), "ties, of rounded scores, share their mean rank"
    assert result["top1"] == pytest.approx(np.mean(exact.argmax(1) == predicted))


def test_only_the_order_within_a_row_matters():
    exact, _, labels = made()
    same = compare_scores(exact, exact, labels)
    moved = compare_scores(exact, 0.01 * exact + np.arange(len(exact))[:, None], labels)
    assert same == pytest.approx(moved)
    assert (same["spearman"], same["top1"]) == pytest.approx((1, 1))
    assert compare_scores(exact, -exact, labels)["spearman"] == pytest.approx(-1)


def test_equal_scores_agree_with_nothing():
    exact, _, labels = made()
    assert compare_scores(exact, np.zeros_like(exact), labels)["spearman"] == 0


@pytest.mark.parametrize(("one", "other"), [((3, 2), (3, 3)), ((0, 2), (0, 2)), ((3,), (3,))])
def test_shapes_that_differ_are_named(one, other):
    with pytest.raises(DataError, match=r"exact scores .* and scores .*: expected \(N, C\) of both"):
        compare_scores(np.zeros(one), np.zeros(other), np.zeros(one[0], int))
