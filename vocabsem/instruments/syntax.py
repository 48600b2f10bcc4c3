"""Whether the tree of a function of Python can be read from the states of its tokens, by layer and rank of the probe.

The null is the same probe, trained anew, on the states that the same architecture gives with random weights. Control
tasks are those of Hewitt and Liang (2019): every word has a height, a constituent and a unary label at random, which a
probe can only know by heart; selectivity is the accuracy beyond theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from vocabsem.instruments.base import Item, Sampling, StudyResult, Value
from vocabsem.instruments.syntax_probe import Leaves, Predicted, train_syntax_probe
from vocabsem.instruments.syntax_scores import label_recall, probe_metrics, ratio_value, right_branching
from vocabsem.instruments.syntax_trees import NONE, Tree
from vocabsem.runtime.parallel import parallel_map

__all__ = ["States", "syntax_study"]

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class States:
    """States of the leaves of all functions at one layer, by a model and by its architecture with random weights.

    Attributes
    ----------
    layer : int
        Of the states.
    train, test : ndarray of shape (T, d)
        By the model.
    null_train, null_test : ndarray of shape (T, d)
        With random weights.
    """

    layer: int
    train: Floats
    test: Floats
    null_train: Floats
    null_test: Floats


def syntax_study(
    states: Sequence[States],
    train: Sequence[Tree],
    test: Sequence[Tree],
    *,
    ranks: Sequence[int],
    epochs: int,
    control: bool,
    sampling: Sampling,
) -> StudyResult:
    """Train a probe at each layer and rank, and measure the trees that it gives of other functions.

    Parameters
    ----------
    states : sequence of States
        By layer.
    train, test : sequence of Tree
        The functions.
    ranks : sequence of int
        Of the probes.
    epochs : int
        Passes over the functions.
    control : bool
        Whether control tasks are trained too.
    sampling : Sampling
        Intervals and nulls resample functions; that of the right-branching tree draws trees.

    Returns
    -------
    StudyResult
        bracket_recall, the share of the nodes that the tree of the heights alone has; span_f1, of labeled nodes;
        constituent_accuracy of gaps and unary_accuracy of leaves, and their selectivity. The items are the labels by
        the share of their nodes that are found.
    """
    classes = [_classes([tree.gaps for tree in train]), _classes([tree.alone for tree in train])]
    known, true = (_leaves(trees, classes) for trees in (train, test))
    tasks = [(known, true), *([_control(train, test, known, true, sampling)] if control else [])]
    jobs = [
        (pair, rows, rank)
        for of in states
        for rank in ranks
        for rows in ((of.train, of.test), (of.null_train, of.null_test))
        for pair in tasks
    ]

    def run(job: tuple[tuple[Leaves, Leaves], tuple[Floats, Floats], int]) -> Predicted:
        (learned, truth), (rows, others), rank = job
        probe = train_syntax_probe(rows, learned, rank=rank, epochs=epochs, seed=sampling.seed)
        return probe.predict(others, truth.before)

    with parallel_map(torch.device("cpu")) as map_:
        predicted = iter(list(map_(run, jobs)))
    shares = np.full(len(test), 1 / len(test))
    draws = sampling.generator(0).multinomial(len(test), shares, size=sampling.resamples).astype(float)
    values, items = list[Value](), list[Item]()
    for of in states:
        for rank in ranks:
            every = [[next(predicted) for _ in tasks] for _ in range(2)]
            own, null = (probe_metrics(test, classes[0], tasks, each) for each in every)
            for metric, ratio in own.items():
                values.append(ratio_value(of.layer, f"rank {rank}", metric, ratio, null[metric], draws))
            items += label_recall(of.layer, rank, test, classes[0], every[0][0])
    return StudyResult((*values, right_branching(test, draws, sampling)), tuple(items))


def _classes(labels: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the labels that occur, that of no node first."""
    return [NONE, *sorted({label for of in labels for label in of} - {NONE})]


def _leaves(trees: Sequence[Tree], classes: Sequence[Sequence[str]]) -> Leaves:
    """Return what is to be predicted of leaves; a label that no training function has is of class −1."""
    gaps, alone = ({label: row for row, label in enumerate(of)} for of in classes)
    return Leaves(
        function=np.repeat(np.arange(len(trees)), [len(tree.leaves) for tree in trees]),
        heights=np.concatenate([tree.heights for tree in trees]),
        gaps=np.array([gaps.get(label, -1) for tree in trees for label in tree.gaps]),
        alone=np.array([alone.get(label, -1) for tree in trees for label in tree.alone]),
    )


def _control(
    train: Sequence[Tree], test: Sequence[Tree], known: Leaves, true: Leaves, sampling: Sampling
) -> tuple[Leaves, Leaves]:
    """Return the control tasks: of a word, and of the gap before it, what the word was given at random."""
    words = [np.array([word for tree in trees for word in tree.words]) for trees in (train, test)]
    every, generator = np.unique(np.concatenate(words)), sampling.generator(3)
    heights, gaps, alone = (generator.choice(of, len(every)) for of in (known.heights, known.gaps, known.alone))
    made = []
    for leaves, of in zip((known, true), words, strict=True):
        number = np.searchsorted(every, of)
        after = number[leaves.before + 1]
        made.append(replace(leaves, heights=heights[after], gaps=gaps[after], alone=alone[number]))
    return made[0], made[1]
