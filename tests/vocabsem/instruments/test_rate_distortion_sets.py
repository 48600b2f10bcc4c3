"""The final F1 of data sets and what goes with it: planted relations, noise, few data sets; scipy and scikit-learn."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from vocabsem.instruments.base import Sampling, Value
from vocabsem.instruments.one_hot_ridge import ridge_predictions
from vocabsem.instruments.rate_distortion_sets import FEWEST, final_f1, relations_to_f1

SAMPLING = Sampling(resamples=300, null_draws=400, seed=1)
N = 80


def value(unit, metric, number, layer=3, variant="state"):
    return Value(unit, layer, variant, metric, number, (0.0, 1.0), (0.0, 1.0), 100)


def sets(scores, gaps, **changes):
    """Values of as many data sets as scores."""
    made = [value(f"set {at}", "f1", score) for at, score in enumerate(scores)]
    return [*made, *(value(f"set {at}", "gap", gap, **changes) for at, gap in enumerate(gaps))]


def related(values):
    return {(each.metric, each.variant, each.layer): each for each in relations_to_f1(values, SAMPLING)}


def test_a_planted_relation_is_above_its_null_and_its_opposite_below():
    scores = np.linspace(0.2, 0.9, 8)
    one = related(sets(scores, scores**3))["gap_f1", "state", 3]
    assert (one.value, one.n, one.unit) == (pytest.approx(1), 8, "all data sets")
    assert one.value > one.null[1]
    assert one.interval == (pytest.approx(1), pytest.approx(1))
    assert related(sets(scores, -scores))["gap_f1", "state", 3].value < one.null[0]


def test_on_noise_it_lies_in_its_null_as_often_as_it_says():
    generator, inside = np.random.default_rng(0), 0
    for _ in range(30):
        (one,) = related(sets(*generator.random((2, 6)))).values()
        inside += one.null[0] <= one.value <= one.null[1]
    assert inside >= 25  # of 30 at 95 %: fewer with a probability below 0.004


def test_it_is_spearmans_correlation_and_its_null_that_of_every_order():
    scores, gaps = np.random.default_rng(2).random((2, 6))
    (one,) = related(sets(scores, gaps)).values()
    assert one.value == pytest.approx(spearmanr(gaps, scores).statistic)
    every = [spearmanr(gaps, order).statistic for order in permutations(scores)]
    assert one.null == pytest.approx(np.quantile(every, [0.025, 0.975]), abs=0.03)


def test_every_predictor_and_layer_is_related_and_only_of_enough_data_sets():
    scores = np.random.default_rng(3).random(FEWEST)
    values = sets(scores, scores)
    for metric, layer, variant in (("ari", 3, "state"), ("distortion", None, "gaussian"), ("rate", None, "labels")):
        values += [value(f"set {at}", metric, score, layer, variant) for at, score in enumerate(scores)]
    values += [value(f"set {at}", "gap", 0.5, layer=0) for at in range(FEWEST - 1)]
    values += [value("nouns", "gap", 0.1)]
    assert set(related(values)) == {
        ("gap_f1", "state", 3),
        ("ari_f1", "state", 3),
        ("distortion_f1", "gaussian", None),
        ("rate_f1", "labels", None),
    }
    assert related(sets(scores[1:], scores[1:])) == {}


def test_a_predictor_that_is_constant_says_nothing():
    (one,) = related(sets(np.linspace(0, 1, 6), np.ones(6))).values()
    assert (one.value, one.interval, one.null) == (0, (0, 0), (0, 0))


def test_the_final_f1_is_of_the_other_texts_and_beside_permuted_labels():
    generator, labels = np.random.default_rng(4), np.arange(N) % 4
    centers = 2 * generator.standard_normal((4, 6))
    train, test = (centers[labels] + generator.standard_normal((N, 6)) for _ in range(2))
    one = final_f1("made", 7, train, test, (labels, labels), SAMPLING)
    center = train.mean(axis=0)
    predicted = ridge_predictions(train - center, test - center, labels[None]).test[0]
    assert one.value == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert (one.unit, one.layer, one.variant, one.metric, one.n) == ("made", 7, "state", "f1", N)
    assert one.interval[0] <= one.value <= one.interval[1]
    assert one.interval[0] > one.null[1]
    noise = final_f1("made", 7, generator.standard_normal((N, 6)), test, (labels, labels), SAMPLING)
    assert noise.null[0] - 0.1 < noise.value < noise.null[1] + 0.1
