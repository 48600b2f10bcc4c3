"""How much of the trees of functions a probe finds: ratios of sums over functions, which are resampled whole."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Item, Sampling, Value, percentiles
from vocabsem.instruments.syntax_probe import Leaves, Predicted
from vocabsem.instruments.syntax_trees import Spans, Tree, brackets, constituents

__all__ = ["label_recall", "probe_metrics", "ratio_value", "right_branching"]

Floats = NDArray[np.floating]
Nodes = tuple[set[tuple[int, int]], Spans]  # of the heights alone; labeled
Ratio = tuple[Floats, Floats]  # of every function: numerator, denominator
UNIT = "functions"
FEWEST = 10  # nodes of a label that is listed


def _spans(test: Sequence[Tree], labels: Sequence[str], predicted: Predicted) -> Iterator[Nodes]:
    """Yield the unlabeled and the labeled nodes that are predicted of each function."""
    start = 0
    for tree in test:
        at = slice(start, start + len(tree.heights))
        heights, gaps = predicted.heights[at], [labels[label] for label in predicted.gaps[at]]
        yield {node[:2] for node in brackets(heights)}, constituents(heights, gaps)
        start = at.stop


def probe_metrics(
    test: Sequence[Tree],
    labels: Sequence[str],
    tasks: Sequence[tuple[Leaves, Leaves]],
    predicted: Sequence[Predicted],
) -> dict[str, Ratio]:
    """Return the metrics of a probe as ratios of sums over functions.

    Parameters
    ----------
    test : sequence of Tree
        The functions.
    labels : sequence of str
        Of nodes, by class.
    tasks : sequence of tuple of Leaves
        Of the task, and of its control if there is one: what training functions say, and these.
    predicted : sequence of Predicted
        By task.

    Returns
    -------
    dict of str to tuple of ndarray of shape (N,)
        By metric.
    """
    nodes = list(_spans(test, labels, predicted[0]))
    true = np.array([len(tree.spans) for tree in test], float)
    both = [(_bare(tree) & bare, tree.spans & labeled) for tree, (bare, labeled) in zip(test, nodes, strict=True)]
    hits = np.array([[len(each) for each in pair] for pair in both], float)
    given = np.array([len(labeled) for _, labeled in nodes], float)
    ratios = {"span_f1": (2 * hits[:, 1], given + true), "bracket_recall": (hits[:, 0], true)}
    right = [_right(truth, of) for (_, truth), of in zip(tasks, predicted, strict=True)]
    for kind, of_task in right[0].items():
        ratios[f"{kind}_accuracy"] = of_task
        if len(right) > 1:
            ratios[f"{kind}_selectivity"] = of_task[0] - right[1][kind][0], of_task[1]
    return ratios


def _right(truth: Leaves, predicted: Predicted) -> dict[str, Ratio]:
    function = {"constituent": truth.function[truth.before], "unary": truth.function}
    hits = {"constituent": truth.gaps == predicted.gaps, "unary": truth.alone == predicted.alone}
    return {
        kind: (np.bincount(at, hits[kind]).astype(float), np.bincount(at).astype(float))
        for kind, at in function.items()
    }


def _bare(tree: Tree) -> set[tuple[int, int]]:
    return {node[:2] for node in tree.spans}


def ratio_value(layer: int, variant: str, metric: str, own: Ratio, null: Ratio, draws: Floats) -> Value:
    """Return a figure with its interval and that of its null.

    Parameters
    ----------
    layer, variant, metric
        As of `Value`.
    own, null : tuple of ndarray of shape (N,)
        Numerator and denominator of each function.
    draws : ndarray of shape (B, N)
        How often a resample has each.

    Returns
    -------
    Value
    """
    value, (interval, of_null) = float(own[0].sum() / own[1].sum()), (_interval(each, draws) for each in (own, null))
    return Value(UNIT, layer, variant, metric, value, interval, of_null, draws.shape[1])


def _interval(ratio: Ratio, draws: Floats) -> tuple[float, float]:
    return percentiles(draws @ ratio[0] / np.maximum(draws @ ratio[1], 1))


def right_branching(test: Sequence[Tree], draws: Floats, sampling: Sampling) -> Value:
    """Return the recall of the tree that parts off one leaf after the other; the null draws heights.

    Parameters
    ----------
    test : sequence of Tree
        The functions.
    draws : ndarray of shape (B, N)
        How often a resample has each.
    sampling : Sampling
        Draws of the null.

    Returns
    -------
    Value
    """
    generator, true = sampling.generator(4), np.array([len(tree.spans) for tree in test]).astype(float)

    def hits(tree: Tree, heights: Floats) -> int:
        return len(_bare(tree) & {node[:2] for node in brackets(heights)})

    own = np.array([hits(tree, -np.arange(float(len(tree.heights)))) for tree in test]).astype(float)
    null = [
        sum(hits(tree, generator.random(len(tree.heights))) for tree in test) / true.sum()
        for _ in range(sampling.null_draws)
    ]
    value = float(own.sum() / true.sum())
    interval = _interval((own, true), draws)
    return Value(UNIT, None, "right-branching", "bracket_recall", value, interval, percentiles(null), len(test))


def label_recall(
    layer: int, rank: int, test: Sequence[Tree], labels: Sequence[str], predicted: Predicted
) -> Iterator[Item]:
    """Yield the labels of ten nodes and more by the share of these that are found.

    Parameters
    ----------
    layer, rank : int
        Of the probe.
    test : sequence of Tree
        The functions.
    labels : sequence of str
        Of nodes, by class.
    predicted : Predicted
        Of these.

    Yields
    ------
    Item
    """
    hits: dict[str, list[bool]] = {}
    for tree, (_, labeled) in zip(test, _spans(test, labels, predicted), strict=True):
        for node in tree.spans:
            hits.setdefault(node[2], []).append(node in labeled)
    listed = sorted((-float(np.mean(of)), label) for label, of in hits.items() if len(of) >= FEWEST)
    for position, (share, label) in enumerate(listed, 1):
        yield Item(f"label recall: rank {rank}", layer, position, -share, label)
