"""Heads with a planted signal, and noise; the best of many beside the best of as many."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.heads import MAX_LISTED, heads_study
from vocabsem.instruments.one_hot_ridge import macro_f1, ridge_predictions

N, M, HEADS, SIZE, CLASSES = 90, 60, 4, 6, 3
KNOWN, TRUE = np.arange(N) % CLASSES, np.arange(M) % CLASSES
SAMPLING = Sampling(resamples=60, null_draws=40, seed=0)
PLANTED = (2, 3)  # layer and head


def outputs(seed=0, planted=True):
    """Layer 1 gives the same to all texts; in layers 2 and 3 all heads are noise but one."""
    generator = np.random.default_rng(seed)
    classes = 3 * generator.standard_normal((CLASSES, SIZE))

    def of(labels):
        layers = {layer: generator.standard_normal((len(labels), HEADS, SIZE)) for layer in (2, 3)}
        if planted:
            layers[PLANTED[0]][:, PLANTED[1]] += classes[labels]
        whole = {layer: rows.reshape(len(labels), -1) for layer, rows in layers.items()}
        return {1: np.full((len(labels), HEADS * SIZE), 0.5)} | whole

    return of(KNOWN), of(TRUE)


def study(train, test, sampling=SAMPLING, labels=(KNOWN, TRUE)):
    result = heads_study("made", train, test, labels, heads=HEADS, sampling=sampling)
    return {(value.metric, value.layer): value for value in result.values}, result.items


@pytest.fixture(scope="module")
def planted():
    return study(*outputs())


def test_the_planted_head_is_found_in_its_layer_and_in_the_model(planted):
    values, items = planted
    for at in (("head_f1", 2), ("head_f1", None)):
        assert values[at].value > 0.9
        assert values[at].interval[0] > values[at].null[1]
        assert values[at].n == M
    assert values["head_f1", 2].variant == "head 3"
    assert values["head_f1", None].variant == "best of 8: layer 2, head 3"
    assert values["layer_f1", 2].value > values["layer_f1", 2].null[1]
    assert (items[0].layer, items[0].rank, items[0].text) == (2, 1, "head 3")
    assert len(items) == min(MAX_LISTED, 8)
    assert [item.score for item in items] == sorted((item.score for item in items), reverse=True)


def test_heads_that_give_the_same_to_all_texts_have_no_value(planted):
    assert {layer for _, layer in planted[0]} == {2, 3, None}


def test_a_value_is_the_f1_of_its_own_regression(planted):
    train, test = outputs()
    own, other = (rows[2].reshape(-1, HEADS, SIZE)[:, 3] for rows in (train, test))
    center = own.mean(axis=0)
    predicted = ridge_predictions(own - center, other - center, KNOWN[None]).test[0]
    assert planted[0]["head_f1", 2].value == pytest.approx(f1_score(TRUE, predicted, average="macro"))
    center = train[2].mean(axis=0)
    predicted = ridge_predictions(train[2] - center, test[2] - center, KNOWN[None]).test[0]
    assert planted[0]["layer_f1", 2].value == pytest.approx(f1_score(TRUE, predicted, average="macro"))


def test_the_best_head_is_chosen_by_training_texts_alone():
    train, test = outputs(3)
    shuffled = {layer: np.random.default_rng(1).permutation(rows) for layer, rows in test.items()}
    values, _ = study(train, shuffled)
    assert values["head_f1", None].variant == "best of 8: layer 2, head 3"
    assert values["head_f1", None].value < 0.6


def test_on_noise_values_lie_in_their_null_as_often_as_it_says():
    inside = []
    for seed in range(10):
        values, _ = study(*outputs(seed + 20, planted=False), Sampling(2, 40, seed))
        inside += [value.null[0] <= value.value <= value.null[1] for value in values.values()]
    assert np.mean(inside) > 0.85  # 95 %, of values that hang together


def test_the_null_of_the_best_chooses_again_among_as_many():
    """By leave-one-out F1 of permuted labels the best of many is above the mean, so that choosing again matters."""
    train, _ = outputs(5, planted=False)
    permuted = np.random.default_rng(0).permutation(KNOWN)
    scores = []
    for head in np.split(train[2], HEADS, axis=1):
        centered = head - head.mean(axis=0)
        labels = np.stack([KNOWN, permuted])
        scores.append(macro_f1(labels, ridge_predictions(centered, centered, labels).left_out)[1])
    values, _ = study(train, train, labels=(KNOWN, KNOWN))
    assert max(scores) > np.mean(scores)
    assert values["head_f1", 2].null[1] >= np.mean(scores)


def test_a_turn_within_heads_and_other_names_of_classes_change_no_value(planted):
    train, test = outputs()
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((SIZE, SIZE)))[0]

    def turned(layers):
        return {k: (rows.reshape(-1, HEADS, SIZE) @ turn).reshape(len(rows), -1) for k, rows in layers.items()}

    names = np.array([2, 0, 1])
    for values in (study(turned(train), turned(test))[0], study(train, test, labels=(names[KNOWN], names[TRUE]))[0]):
        for at in (("head_f1", 2), ("head_f1", None), ("layer_f1", 2)):
            assert values[at].value == pytest.approx(planted[0][at].value)
