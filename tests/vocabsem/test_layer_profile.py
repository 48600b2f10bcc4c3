"""Figures by layer against the estimators themselves and scikit-learn's solution of the same problem."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from tests.vocabsem.method_data import CLASSES, make_space, make_states
from vocabsem.errors import DataError
from vocabsem.geometry import mean_cosine
from vocabsem.layer_profile import layer_profile, probe
from vocabsem.methods import Centroid, LinearProbe
from vocabsem.methods.base import mean_and_deviation
from vocabsem.methods.logistic import fit_logistic
from vocabsem.shots import choose_shots

DISTANCES = {0: 0.0, 7: 2.0, 30: 6.0}  # a layer each: later ones tell more


def layers(n, seed=0):
    """States (n, d) by layer, with one set of labels."""
    drawn = {layer: make_states(seed + layer, n=n, distance=distance) for layer, distance in DISTANCES.items()}
    return {layer: states for layer, (states, _) in drawn.items()}, drawn[0][1]


@pytest.mark.parametrize("shots", [4, "all"])
def test_figures_are_those_of_the_methods(shots):
    train, labels = layers(120)
    test, truth = layers(90, seed=100)
    found = layer_profile(train, labels, test, truth, CLASSES, shots=shots, seeds=[0, 1])
    assert [figures.layer for figures in found] == [0, 7, 30]
    for figures in found:
        states, tested = train[figures.layer], test[figures.layer]
        for kind, accuracy, f1 in (
            (LinearProbe, figures.probe_accuracy, figures.probe_macro_f1),
            (Centroid, figures.centroid_accuracy, figures.centroid_macro_f1),
        ):
            answers = []
            for seed in (0, 1):
                rows = choose_shots(labels, shots, seed, CLASSES)
                method = kind(make_space(), **({"seed": seed} if kind is LinearProbe else {}))
                answers.append(method.fit(states[rows], labels[rows], states).predict(tested))
            assert accuracy == pytest.approx(np.mean([accuracy_score(truth, answer) for answer in answers]))
            assert f1 == pytest.approx(np.mean([f1_score(truth, answer, average="macro") for answer in answers]))
        assert figures.mean_cosine == mean_cosine(tested)
        assert figures.centred_mean_cosine == mean_cosine(tested, centre=True)


def test_a_layer_that_tells_more_scores_higher():
    train, labels = layers(240)
    test, truth = layers(150, seed=100)
    accuracy = [figures.probe_accuracy for figures in layer_profile(train, labels, test, truth, CLASSES)]
    assert accuracy[0] < 0.5 < accuracy[1] < accuracy[2]


@pytest.mark.parametrize("penalty", [10.0, 300.0])
def test_a_probe_is_scikit_learn_s_solution(penalty):
    """The intercept's hundredth of the penalty is the only difference of the two problems."""
    states, labels = make_states(n=200)
    mean, deviation = mean_and_deviation(states)
    z = (states - mean) / deviation
    ours = fit_logistic(z, np.zeros((200, CLASSES), np.float32), labels, penalty)
    wide = np.hstack([z, np.full((200, 1), 10.0)])  # an intercept with its share of the penalty, as one more column
    theirs = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-8, max_iter=5000).fit(wide, labels)
    np.testing.assert_allclose(ours.weights, theirs.coef_[:, :-1].T, atol=2e-4)
    np.testing.assert_allclose(ours.intercepts, theirs.coef_[:, -1] * 10, atol=2e-3)


def test_one_layer_s_probe_is_the_estimator():
    (states, labels), (tested, _) = make_states(n=60), make_states(1, n=20)
    rows = {seed: np.arange(seed, 60, 2) for seed in (0, 1)}
    for seed, answer in zip(rows, probe(states, labels, tested, rows, CLASSES), strict=True):
        single = LinearProbe(make_space(), seed=seed).fit(states[rows[seed]], labels[rows[seed]], states)
        np.testing.assert_allclose(answer, single.predict_proba(tested), atol=1e-6)


def test_refuses_layers_that_are_not_the_same():
    (states, labels), (tested, truth) = make_states(), make_states(1)
    with pytest.raises(DataError, match=r"layers \[1, 2\] of training states and \[1\] of test states"):
        layer_profile({1: states, 2: states}, labels, {1: tested}, truth, CLASSES)
    with pytest.raises(DataError, match="40 shots asked of class"):
        layer_profile({1: states}, labels, {1: tested}, truth, CLASSES, shots=40)
