"""Probes of syntax on states in which trees were planted, on states of words alone, and on noise."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.syntax import States, syntax_study
from vocabsem.instruments.syntax_probe import Leaves, Predicted, _hinge, train_syntax_probe
from vocabsem.instruments.syntax_scores import probe_metrics, right_branching
from vocabsem.instruments.syntax_trees import brackets, constituents, parse_function

WIDTH = 32
SAMPLING = Sampling(resamples=60, null_draws=20, seed=0)
NAMES = ("a", "b", "c", "item", "size", "key")


def functions(n, seed):
    """Functions of one to three statements, drawn."""
    generator = np.random.default_rng(seed)

    def name():
        return str(generator.choice(NAMES))

    def value():
        return str(generator.choice([name(), f"{name()}({name()}, {name()})", f"{name()}.{name()}", f"{name()} + 1"]))

    trees = []
    while len(trees) < n:
        lines = [f"    {name()} = {value()}" for _ in range(generator.integers(1, 4))]
        trees.append(parse_function("\n".join([f"def f({name()}):", *lines, f"    return {value()}"])))
    return trees


TRAIN, TEST = functions(40, 0), functions(20, 1)
GAPS = sorted({label for tree in TRAIN for label in tree.gaps})
ALONE = sorted({label for tree in TRAIN for label in tree.alone})


def planted(trees, seed):
    """States that step over a gap as far as it is high, in the direction of its label; beside that of the leaf's."""
    generator, rows = np.random.default_rng(seed), []
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((WIDTH, WIDTH)))[0]
    for tree in trees:
        steps = np.zeros((len(tree.gaps), len(GAPS)))
        steps[np.arange(len(tree.gaps)), [GAPS.index(label) for label in tree.gaps]] = np.sqrt(tree.heights)
        state = np.zeros((len(tree.leaves), WIDTH))
        state[1:, : len(GAPS)] = steps.cumsum(axis=0)
        state[np.arange(len(state)), [len(GAPS) + ALONE.index(label) for label in tree.alone]] = 0.3
        rows.append(state - state.mean(axis=0))
    states = np.concatenate(rows)
    return states @ turn + 0.01 * generator.standard_normal(states.shape)


def of_words(trees):
    """States that are their word's, and know no more."""
    words = {word: row for row, word in enumerate(sorted({w for tree in TRAIN + TEST for w in tree.words}))}
    vectors = np.random.default_rng(5).standard_normal((len(words), WIDTH))
    return vectors[[words[word] for tree in trees for word in tree.words]]


def noise(trees, seed):
    return np.random.default_rng(seed).standard_normal((sum(len(tree.leaves) for tree in trees), WIDTH))


def leaves(trees):
    return Leaves(
        np.repeat(np.arange(len(trees)), [len(tree.leaves) for tree in trees]),
        np.concatenate([tree.heights for tree in trees]),
        np.array([GAPS.index(label) for tree in trees for label in tree.gaps]),
        np.array([ALONE.index(label) for tree in trees for label in tree.alone]),
    )


@pytest.fixture(scope="module")
def studied():
    """Figures by layer and metric: trees planted in layer 3, words alone in 2, noise in 1; the null is noise."""
    null = noise(TRAIN, 6), noise(TEST, 7)
    made = {3: (planted(TRAIN, 0), planted(TEST, 1)), 2: (of_words(TRAIN), of_words(TEST))}
    made[1] = noise(TRAIN, 2), noise(TEST, 3)
    states = [States(layer, *own, *null) for layer, own in made.items()]
    result = syntax_study(states, TRAIN, TEST, ranks=(16,), epochs=25, control=True, sampling=SAMPLING)
    return {(value.layer, value.metric): value for value in result.values}, result


@pytest.mark.medium
def test_planted_trees_are_found(studied):
    values, result = studied
    for metric in ("bracket_recall", "span_f1", "constituent_accuracy", "unary_accuracy"):
        value = values[3, metric]
        assert value.interval[0] > value.null[1], value
        assert value.n == len(TEST)
    assert values[3, "span_f1"].value > 0.6
    assert values[3, "bracket_recall"].value > values[None, "bracket_recall"].value
    read = [item for item in result.items if item.layer == 3]
    assert [item.rank for item in read] == list(range(1, len(read) + 1))
    assert {item.text for item in read} <= {label for tree in TEST for *_, label in tree.spans}


@pytest.mark.medium
def test_in_noise_nothing_is_found(studied):
    values, _ = studied
    for metric in ("bracket_recall", "span_f1", "constituent_selectivity", "unary_selectivity"):
        value = values[1, metric]
        width = value.null[1] - value.null[0]
        assert value.null[0] - width < value.value < value.null[1] + width, value


@pytest.mark.medium
def test_selectivity_is_of_what_is_not_known_by_heart(studied):
    values, _ = studied
    planted_trees = values[3, "constituent_selectivity"]
    assert planted_trees.interval[0] > max(planted_trees.null[1], 0.1)
    for metric in ("constituent", "unary"):
        assert values[2, f"{metric}_selectivity"].value < values[3, f"{metric}_selectivity"].value
        assert values[2, f"{metric}_selectivity"].value < 0.2, "words alone are as good for their own control task"


@pytest.mark.parametrize("layer", [planted, noise])
def test_a_probe_reads_planted_trees_of_other_functions_and_none_in_noise(layer):
    known, true = leaves(TRAIN), leaves(TEST)
    predicted = train_syntax_probe(layer(TRAIN, 0), known, rank=16, epochs=8, seed=0).predict(
        layer(TEST, 1), true.before
    )
    order = spearmanr(predicted.heights, true.heights).statistic
    accuracy, most = (predicted.gaps == true.gaps).mean(), np.bincount(true.gaps).max() / len(true.gaps)
    if layer is planted:
        assert order > 0.5
        assert accuracy > most + 0.1
    else:
        assert abs(order) < 0.15  # of 500 gaps
        assert accuracy < most + 0.05


def test_without_a_control_task_there_is_no_selectivity():
    null = noise(TRAIN, 6), noise(TEST, 7)
    states = [States(0, *null, *null)]
    result = syntax_study(states, TRAIN, TEST, ranks=(2,), epochs=1, control=False, sampling=SAMPLING)
    assert {value.metric for value in result.values} == {
        *("bracket_recall", "span_f1", "constituent_accuracy", "unary_accuracy")
    }
    same = [value for value in result.values if value.layer == 0]
    assert all(value.interval == value.null for value in same), "the states of the model are those of the null"


def test_figures_are_the_counts_of_sets():
    true = leaves(TEST)
    generator = np.random.default_rng(0)
    predicted = Predicted(
        generator.random(len(true.heights)), generator.permutation(true.gaps), generator.permutation(true.alone)
    )
    read = probe_metrics(TEST, GAPS, [(true, true)], [predicted])
    at, hits, given, total, bare = 0, 0, 0, 0, 0
    for tree in TEST:
        heights = predicted.heights[at : at + len(tree.gaps)]
        labels = [GAPS[label] for label in predicted.gaps[at : at + len(tree.gaps)]]
        at += len(tree.gaps)
        nodes = constituents(heights, labels)
        hits, given, total = hits + len(nodes & tree.spans), given + len(nodes), total + len(tree.spans)
        bare += len({node[:2] for node in brackets(heights)} & {node[:2] for node in tree.spans})
    precision, recall = hits / given, hits / total
    ratio = {name: of[0].sum() / of[1].sum() for name, of in read.items()}
    assert ratio["span_f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert ratio["bracket_recall"] == pytest.approx(bare / total)
    assert ratio["constituent_accuracy"] == pytest.approx((predicted.gaps == true.gaps).mean())
    assert ratio["unary_accuracy"] == pytest.approx((predicted.alone == true.alone).mean())


def test_the_true_heights_and_labels_are_right():
    true = leaves(TEST)
    read = probe_metrics(TEST, GAPS, [(true, true)], [Predicted(true.heights, true.gaps, true.alone)])
    assert {of[0].sum() / of[1].sum() for of in read.values()} == {1.0}


def test_a_right_branching_tree_has_the_last_leaves_of_every_node():
    draws = np.ones((2, len(TEST)), int)
    value = right_branching(TEST, draws, SAMPLING)
    ends = [stop == len(tree.leaves) for tree in TEST for _, stop, _ in tree.spans]
    assert value.value == pytest.approx(np.mean(ends))
    assert value.interval == pytest.approx((value.value, value.value))
    assert value.null[0] <= value.null[1] < 1


def test_the_loss_of_heights_is_the_hinge_of_all_pairs():
    predicted, true = torch.tensor([0.5, 2.0, 0.1]), torch.tensor([1, 2, 2])
    pairs = [(1, 0), (2, 0)]
    expected = np.mean([max(0, 1 - float(predicted[high] - predicted[low])) for high, low in pairs])
    assert float(_hinge(predicted, true)) == pytest.approx(expected)
    assert float(_hinge(predicted, torch.ones(3))) == 0


def test_a_probe_has_its_rank_and_orthonormal_rows_and_is_the_same_at_every_training():
    states, known = planted(TRAIN, 0), leaves(TRAIN)
    one, other = (train_syntax_probe(states, known, rank=5, epochs=2, seed=3) for _ in range(2))
    assert one.basis.shape == (5, WIDTH)
    np.testing.assert_allclose(one.basis @ one.basis.T, np.eye(5), atol=0.3)
    np.testing.assert_array_equal(one.basis, other.basis)
    predicted = one.predict(states, known.before)
    inside = (states - states.mean(axis=0)) / states.std(axis=0) @ one.basis.T
    expected = [((inside[at + 1] - inside[at]) ** 2).sum() for at in known.before]
    np.testing.assert_allclose(predicted.heights, expected, rtol=1e-4)  # float32
