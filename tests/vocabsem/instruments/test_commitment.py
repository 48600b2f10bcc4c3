"""Commitment on planted ways through the layers, and on noise."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.commitment import auroc, commitment_study, curvature, trace

LAYERS, EXAMPLES, WIDTH = 9, 150, 32
SAMPLING = Sampling(resamples=100, null_draws=60, seed=0)


def planted(seed=0):
    """States that turn from noise to the anchor of a class at a layer of their own; late ones to a wrong class."""
    generator = np.random.default_rng(seed)
    anchors = np.linalg.qr(generator.standard_normal((WIDTH, 3)))[0].T * 4
    labels, turn = np.arange(EXAMPLES) % 3, generator.integers(2, LAYERS, EXAMPLES)
    answers = np.where(turn > 6, (labels + 1) % 3, labels)
    before = np.stack([(answers + layer % 2 + 1) % 3 for layer in range(LAYERS)])
    cells = np.where(np.arange(LAYERS)[:, None] >= turn, answers, before)
    text = 20 * generator.standard_normal((EXAMPLES, WIDTH))  # what random vectors see, the same at every layer
    text -= text @ np.linalg.pinv(anchors) @ anchors
    states = anchors[cells] + text + 0.01 * generator.standard_normal((LAYERS, EXAMPLES, WIDTH))
    return states, anchors, labels, turn, answers


def study(states, anchors, labels, confidence=None, seed=0, layers=range(LAYERS)):
    means = states.mean(axis=1)
    confidence = np.random.default_rng(seed).uniform(size=len(labels)) if confidence is None else confidence
    ids = [f"test-{i}" for i in range(len(labels))]
    by_layer = dict(zip(layers, states, strict=True))
    return commitment_study("made", by_layer, means, anchors, labels, confidence, ids, SAMPLING)


def test_the_layer_of_commitment_is_the_planted_one():
    states, anchors, _, turn, answers = planted()
    traces = trace(states - states.mean(axis=1, keepdims=True), anchors)
    np.testing.assert_array_equal(traces.commit, turn)
    np.testing.assert_array_equal(traces.cells[-1], answers)
    assert (traces.margin > 0).all()


def test_planted_late_errors_are_predicted_and_random_vectors_do_not():
    states, anchors, labels, turn, answers = planted()
    result = study(states, anchors, labels)
    values = {(value.metric, value.layer, value.variant): value for value in result.values}
    late = values["error_auroc", None, "commit_layer"]
    assert late.value == pytest.approx(roc_auc_score(answers != labels, turn)) == 1
    assert late.interval[0] > late.null[1]
    last = values["accuracy", LAYERS - 1, "anchors"]
    assert last.value == (answers == labels).mean()
    assert last.interval[0] > last.null[1]
    assert values["commit_layer", None, "anchors"].value == turn.mean()
    for layer in range(LAYERS):
        assert values["committed", layer, "anchors"].value == (turn <= layer).mean()
    chance = values["error_auroc", None, "max_probability"]
    assert chance.null[0] - 0.1 < chance.value < chance.null[1] + 0.1, "it was drawn without regard to errors"
    first, *_ = result.items
    assert (first.rank, first.score) == (1, turn.max())
    assert turn[int(first.text.removeprefix("test-"))] == turn.max()


def test_layers_have_their_own_numbers_where_some_are_left_out():
    states, anchors, labels, turn, _ = planted()
    numbers = [0, 6, 7, 12, 18, 19, 20, 24, 30]
    whole, some = study(states, anchors, labels), study(states, anchors, labels, layers=numbers)
    assert [numbers[value.layer] for value in whole.values if value.layer is not None] == [
        value.layer for value in some.values if value.layer is not None
    ]
    (mean,) = [value for value in some.values if value.metric == "commit_layer"]
    assert mean.value == pytest.approx(np.array(numbers)[turn].mean())
    assert some.items[0].score == numbers[turn.max()]
    areas = [[value for value in result.values if value.metric == "error_auroc"] for result in (whole, some)]
    assert areas[0] == areas[1], "only their order counts"


def test_on_noise_every_figure_lies_about_its_null():
    generator = np.random.default_rng(5)
    states, anchors = generator.standard_normal((LAYERS, EXAMPLES, WIDTH)), generator.standard_normal((3, WIDTH))
    for value in study(states, anchors, np.arange(EXAMPLES) % 3).values:
        width = max(value.null[1] - value.null[0], 0.02)
        assert value.null[0] - width <= value.value <= value.null[1] + width, value
        assert value.interval[0] <= value.value <= value.interval[1]


def test_without_errors_nothing_predicts_them():
    states, anchors, *_, answers = planted()
    assert not [value for value in study(states, anchors, answers).values if value.metric == "error_auroc"]


def test_the_angle_of_a_straight_way_is_0_and_of_one_that_turns_back_pi():
    line = np.arange(4)[:, None, None] * np.ones((4, 1, 3))
    back = np.array([0, 1, 0, 1])[:, None, None] * np.ones((4, 1, 3))
    circle = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], float)[:, None]
    for states, angle in ((line, 0), (back, np.pi), (circle, np.pi / 2), (line[:2], 0)):
        assert curvature(states) == pytest.approx([angle], abs=1e-6)


@pytest.mark.parametrize("ties", [False, True])
def test_the_area_is_that_of_scikit_learn(ties):
    generator = np.random.default_rng(3)
    score, positive = generator.standard_normal(80), generator.uniform(size=80) < 0.3
    score = score.round() if ties else score
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score))
    assert auroc(score, np.ones(80, bool)) == 0.5
