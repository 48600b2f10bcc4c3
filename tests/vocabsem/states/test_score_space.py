"""Methods of zero-shot probabilities on word scores, against their formulas."""

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp, softmax

from vocabsem.errors import DataError
from vocabsem.methods import (
    BatchCalibration,
    ContextualCalibration,
    LinC,
    PointwiseMutualInformation,
    PrototypicalCalibration,
    ZeroShot,
)
from vocabsem.states.word_scores import score_space

LENGTHS = [1, 3, 2, 1, 2]
CLASSES = [[0], [1, 2], [3, 4]]


def scores(n, seed=0):
    """(n, W) log-probabilities: the longer a word, the lower."""
    return -np.random.default_rng(seed).gamma(2.0, 2.0, (n, len(LENGTHS))).astype(np.float32) * LENGTHS


def by_class(rows, per_token):
    """(n, C): the mean over each class's words, by a loop."""
    each = rows / np.array(LENGTHS) if per_token else rows
    return np.stack([np.mean([each[:, word] for word in words], axis=0) for words in CLASSES], axis=1)


@pytest.mark.parametrize("per_token", [False, True], ids=["exact", "exact_mean"])
def test_the_label_logits_are_the_mean_scores_of_a_classs_words(per_token):
    rows = scores(20).astype(np.float32)
    space = score_space(LENGTHS, CLASSES, per_token=per_token)
    assert (space.classes, space.width) == (3, 5)
    np.testing.assert_allclose(space.label_logits(rows), by_class(rows, per_token), rtol=1e-5)
    predicted = ZeroShot(space).fit(rows).predict_proba(rows)
    np.testing.assert_allclose(predicted, softmax(by_class(rows, per_token), axis=1), atol=1e-6)


def test_pmi_takes_away_what_a_word_is_worth_without_a_text():
    """Differences between classes are those of log P(w|x) − mean log P(w|b): what each row shares decides nothing."""
    rows, background = scores(20), scores(3, seed=1)
    pmi = PointwiseMutualInformation(score_space(LENGTHS, CLASSES)).fit(rows, unlabeled=background)
    expected = by_class(rows, False) - by_class(background, False).mean(axis=0)
    np.testing.assert_allclose(pmi.predict_proba(rows), softmax(expected, axis=1), atol=1e-5)
    assert pmi.predict(rows).tolist() == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("method", [BatchCalibration, ContextualCalibration])
def test_calibrations_divide_by_the_mean_prediction(method):
    rows, background = scores(20), scores(9, seed=1)
    result = method(score_space(LENGTHS, CLASSES, per_token=True)).fit(rows, unlabeled=background)
    log_p = log_softmax(by_class(background, True), axis=1)
    expected = log_softmax(by_class(rows, True), axis=1) - (logsumexp(log_p, axis=0) - np.log(9))
    np.testing.assert_allclose(result.predict_proba(rows), softmax(expected, axis=1), atol=1e-5)


@pytest.mark.medium
def test_methods_that_learn_from_labels_or_clusters_improve_scores_that_lean_to_one_word():
    truth = np.arange(150) % 3
    rows = scores(150) * 0.1
    rows[np.arange(150), [0, 1, 3][0]] += 4  # the first word is likely after any prompt
    rows[np.arange(150), np.array([0, 1, 3])[truth]] += 2
    space = score_space(LENGTHS, CLASSES)
    before = float((ZeroShot(space).fit(rows).predict(rows) == truth).mean())
    learned = LinC(space).fit(rows, truth)
    clustered = PrototypicalCalibration(space).fit(rows)
    assert float((learned.predict(rows) == truth).mean()) > before + 0.1
    assert float((clustered.predict(rows) == truth).mean()) >= before


def test_rows_of_another_number_of_words_are_refused():
    with pytest.raises(DataError):
        ZeroShot(score_space(LENGTHS, CLASSES)).fit(scores(3)[:, :4])
