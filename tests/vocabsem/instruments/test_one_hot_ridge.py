"""Ridge on one-hot labels against scikit-learn, each text left out by a fit of its own."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score

from vocabsem.instruments.one_hot_ridge import PENALTIES, macro_f1, ridge_predictions

N, M, WIDTH, CLASSES = 40, 25, 6, 3
LABELS = np.arange(N) % CLASSES
RNG = np.random.default_rng(0)
CENTERS = RNG.standard_normal((CLASSES, WIDTH))
TRAIN = CENTERS[LABELS] + RNG.standard_normal((N, WIDTH))
TEST = CENTERS[np.arange(M) % CLASSES] + RNG.standard_normal((M, WIDTH)) - TRAIN.mean(axis=0)
TRAIN -= TRAIN.mean(axis=0)
PERMUTED = np.stack([LABELS, RNG.permutation(LABELS), RNG.permutation(LABELS)])


def left_out_scores(labels, penalty):
    targets, rows = np.eye(CLASSES)[labels], np.arange(N)
    fits = [Ridge(penalty).fit(TRAIN[rows != row], targets[rows != row]) for row in rows]
    return np.stack([fit.predict(TRAIN[row : row + 1])[0] for row, fit in enumerate(fits)])


@pytest.fixture(scope="module")
def penalty():
    """That of the least leave-one-out error with the true labels, by refitting."""
    scale = (TRAIN**2).sum() / N
    targets = np.eye(CLASSES)[LABELS]
    return min(PENALTIES * scale, key=lambda each: ((left_out_scores(LABELS, each) - targets) ** 2).sum())


def test_texts_that_are_left_out_are_predicted_as_by_a_fit_without_them(penalty):
    predictions = ridge_predictions(TRAIN, TEST, PERMUTED)
    for labels, predicted in zip(PERMUTED, predictions.left_out, strict=True):
        np.testing.assert_array_equal(predicted, left_out_scores(labels, penalty).argmax(axis=1))


def test_other_texts_are_predicted_as_by_scikit_learn(penalty):
    predictions = ridge_predictions(TRAIN, TEST, PERMUTED)
    for labels, predicted in zip(PERMUTED, predictions.test, strict=True):
        scores = Ridge(penalty).fit(TRAIN, np.eye(CLASSES)[labels]).predict(TEST)
        np.testing.assert_array_equal(predicted, scores.argmax(axis=1))
    assert predictions.labels is PERMUTED


def test_more_axes_than_texts_and_axes_of_no_variance_are_no_trouble():
    wide = np.random.default_rng(1).standard_normal((N, 3 * N))
    wide[:, 0] = 0
    wide -= wide.mean(axis=0)
    predictions = ridge_predictions(wide, wide, LABELS[None])
    assert (predictions.test[0] == LABELS).mean() > 0.9
    assert (predictions.left_out[0] == LABELS).mean() < 0.6


@pytest.mark.parametrize("missing", [False, True])
def test_f1_is_that_of_scikit_learn(missing):
    generator = np.random.default_rng(2)
    labels, predicted = generator.integers(4, size=(6, 30)), generator.integers(4, size=(6, 30))
    if missing:  # a class that is in neither has no F1, one that is never predicted has 0
        labels[labels == 3], predicted[predicted == 3], predicted[predicted == 2] = 0, 0, 1
    expected = [f1_score(*pair, average="macro") for pair in zip(labels, predicted, strict=True)]
    np.testing.assert_allclose(macro_f1(labels, predicted), expected)
