"""What is counted of predicted trees, against counts by hand, sets and the bootstrap of numpy."""

from collections import Counter

import numpy as np
import pytest

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.syntax import _control, _leaves
from vocabsem.instruments.syntax_probe import Leaves, Predicted
from vocabsem.instruments.syntax_scores import label_recall, probe_metrics, ratio_value, right_branching
from vocabsem.instruments.syntax_trees import NONE, parse_function

SOURCES = [
    "def f(a):\n    return a.b + a.c",
    "def g(a, b):\n    if a:\n        return b[0]\n    return f(b)",
    "def h(a):\n    x = a.b(a.c)\n    return x.d",
    "def k(a):\n    return [a.b, a.c, a.d]",
]
TREES = [parse_function(source) for source in SOURCES]
LABELS = [NONE, *sorted({label for tree in TREES for label in tree.gaps} - {NONE})]
ALONE = [NONE, *sorted({label for tree in TREES for label in tree.alone} - {NONE})]
TRUE = _leaves(TREES, [LABELS, ALONE])
SAMPLING = Sampling(resamples=50, null_draws=30, seed=2)


def predicted(heights=TRUE.heights, gaps=TRUE.gaps, alone=TRUE.alone):
    return Predicted(np.asarray(heights, float), np.asarray(gaps), np.asarray(alone))


def ratios(*of):
    counted = probe_metrics(TREES, LABELS, [(TRUE, TRUE)] * len(of), of)
    return {name: (float(top.sum()), float(bottom.sum())) for name, (top, bottom) in counted.items()}


def test_leaves_have_the_classes_of_their_labels():
    assert [LABELS[number] for number in TRUE.gaps] == [label for tree in TREES for label in tree.gaps]
    assert [ALONE[number] for number in TRUE.alone] == [label for tree in TREES for label in tree.alone]
    assert TRUE.function.tolist() == [n for n, tree in enumerate(TREES) for _ in tree.leaves]
    assert TRUE.before.tolist() == [
        at for at in range(len(TRUE.function) - 1) if TRUE.function[at] == TRUE.function[at + 1]
    ]
    assert len(TRUE.before) == len(TRUE.heights) == len(TRUE.gaps)


def test_a_label_that_no_training_function_has_is_never_right():
    known = [NONE, "Return"], [NONE, "Name"]
    leaves = _leaves(TREES, known)
    assert set(leaves.gaps) == {-1, 0, 1}
    for number in (0, 1):
        given = predicted(gaps=np.full(len(leaves.gaps), number))
        hits = probe_metrics(TREES, known[0], [(leaves, leaves)], [given])["constituent_accuracy"][0].sum()
        assert hits == (leaves.gaps == number).sum() < len(leaves.gaps)


def test_labels_that_are_all_none_give_no_node_and_heights_alone_give_them():
    whole = ratios(predicted(gaps=np.zeros(len(TRUE.gaps), int)))
    assert whole["span_f1"][0] == 0
    assert whole["bracket_recall"][0] == whole["bracket_recall"][1] == sum(len(tree.spans) for tree in TREES)


def test_heights_of_which_only_the_order_counts():
    other = ratios(predicted(np.exp(TRUE.heights / 3.0) - 7))
    assert other == ratios(predicted())


def test_one_wrong_label_is_one_node_less_and_one_that_is_not_there():
    at = next(at for at, number in enumerate(TRUE.gaps) if LABELS[number] == "Attribute")
    gaps = TRUE.gaps.copy()
    gaps[at] = LABELS.index("Call")
    nodes = sum(len(tree.spans) for tree in TREES)
    assert ratios(predicted(gaps=gaps))["span_f1"] == (2 * (nodes - 1), 2 * nodes)
    gaps[at] = LABELS.index(NONE)
    assert ratios(predicted(gaps=gaps))["span_f1"] == (2 * (nodes - 1), 2 * nodes - 1)
    assert ratios(predicted(gaps=gaps))["constituent_accuracy"] == (len(gaps) - 1, len(gaps))


def test_selectivity_is_the_accuracy_beyond_that_of_the_control():
    wrong = (TRUE.alone + 1) % len(ALONE)
    half = np.where(np.arange(len(wrong)) % 2, TRUE.alone, wrong)
    both = ratios(predicted(), predicted(alone=half))
    leaves = len(TRUE.alone)
    assert both["unary_selectivity"] == (leaves - leaves // 2, leaves)
    assert both["constituent_selectivity"][0] == 0
    assert "unary_selectivity" not in ratios(predicted())


def test_each_function_counts_for_itself():
    counted = probe_metrics(TREES, LABELS, [(TRUE, TRUE)], [predicted()])
    assert counted["bracket_recall"][1].tolist() == [len(tree.spans) for tree in TREES]
    assert counted["unary_accuracy"][1].tolist() == [len(tree.leaves) for tree in TREES]
    assert counted["constituent_accuracy"][0].tolist() == [len(tree.gaps) for tree in TREES]


def test_an_interval_resamples_functions_with_both_parts_of_the_ratio():
    generator = np.random.default_rng(0)
    top, bottom = generator.integers(0, 9, 40).astype(float), generator.integers(9, 20, 40).astype(float)
    draws = generator.multinomial(40, np.full(40, 1 / 40), size=300).astype(float)
    value = ratio_value(4, "rank 2", "span_f1", (top, bottom), (top / 2, bottom), draws)
    resampled = [
        top[rows].sum() / bottom[rows].sum() for rows in (np.repeat(np.arange(40), of.astype(int)) for of in draws)
    ]
    assert value.value == pytest.approx(top.sum() / bottom.sum())
    assert value.interval == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975])))
    assert value.null == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975]) / 2))
    assert (value.layer, value.variant, value.metric, value.n) == (4, "rank 2", "span_f1", 40)


def test_the_tree_of_a_list_of_attributes_is_not_right_branching():
    (tree,) = [parse_function(SOURCES[3])]
    value = right_branching([tree], np.ones((3, 1)), SAMPLING)
    # Return and List end with the function, the three attributes do not.
    assert value.value == pytest.approx(2 / 5)
    assert value.interval == pytest.approx((0.4, 0.4))
    assert value.n == 1


def test_labels_are_listed_by_the_share_of_their_nodes():
    trees = TREES * 3
    leaves = _leaves(trees, [LABELS, ALONE])
    gaps = leaves.gaps.copy()
    attributes = np.flatnonzero(gaps == LABELS.index("Attribute"))
    gaps[attributes[::3]] = LABELS.index(NONE)
    items = list(label_recall(7, 5, trees, LABELS, Predicted(leaves.heights.astype(float), gaps, leaves.alone)))
    counts = Counter(label for tree in trees for *_, label in tree.spans)
    assert {item.text for item in items} == {label for label, count in counts.items() if count >= 10}
    shares = {item.text: item.score for item in items}
    assert shares.pop("Attribute") == pytest.approx(1 - len(attributes[::3]) / counts["Attribute"])
    assert set(shares.values()) == {1.0}
    assert [item.rank for item in items] == list(range(1, len(items) + 1))
    assert items[-1].text == "Attribute"
    assert {(item.item, item.layer) for item in items} == {("label recall: rank 5", 7)}


def test_a_control_task_gives_a_word_the_same_everywhere():
    known, true = _leaves(TREES[:3], [LABELS, ALONE]), _leaves(TREES[3:], [LABELS, ALONE])
    made = _control(TREES[:3], TREES[3:], known, true, SAMPLING)
    of_word, of_gap = {}, {}
    for leaves, trees in zip(made, (TREES[:3], TREES[3:]), strict=True):
        words = [word for tree in trees for word in tree.words]
        for word, number in zip(words, leaves.alone, strict=True):
            assert of_word.setdefault(word, number) == number
        for at, pair in zip(leaves.before, zip(leaves.gaps, leaves.heights, strict=True), strict=True):
            assert of_gap.setdefault(words[at + 1], pair) == pair
    assert {number for number, _ in of_gap.values()} <= set(known.gaps.tolist())
    assert {height for _, height in of_gap.values()} <= set(known.heights.tolist())
    assert set(of_word.values()) <= set(known.alone.tolist())
    for leaves, own in zip(made, (known, true), strict=True):
        assert isinstance(leaves, Leaves)
        np.testing.assert_array_equal(leaves.function, own.function)
