"""Stored predictions as arrays, and their bootstrap samples, paired between methods on examples and seeds."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.steps.label_columns import FORMS, ONE, SEVERAL, partition_columns, read_labels
from vocabsem.datasets.label_values import is_continuous
from vocabsem.evaluation.resampling import BootstrapSample
from warehouse.lake.partition import Partition

RESAMPLES = 2000  # p is at least 1/1000, so that a sixteenth of it passes Holm's correction at 5 %
Samples = tuple[list[int], dict[str, BootstrapSample]]  # of one method: its seeds, and each metric


def read_predictions_table(predictions: Partition) -> pa.Table:
    """Return what `split_by_seed` reads of published predictions."""
    wanted = ("split", "seed", *FORMS[ONE], *FORMS["predicted"], "probabilities")
    return predictions.table([name for name in partition_columns(predictions) if name in wanted])


def split_by_seed(table: pa.Table, split: str) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Seeds (S), labels (N,) and probabilities (S, N, C) of one split; predictions lie seed by seed.

    Of any number of labels: (N, L), and (S, N, L, 2) with whether each is predicted; of numbers (N,) and (S, N).
    """
    part = table.filter(pc.equal(table["split"], split))
    seeds = pc.unique(part["seed"]).to_pylist()
    labels = read_labels(part)[: len(part) // len(seeds)]
    if is_continuous(labels):
        return seeds, labels, read_labels(part, "predicted").reshape(len(seeds), -1)
    answers = pc.list_flatten(part["probabilities"]).to_numpy().reshape(len(seeds), len(labels), -1)
    if SEVERAL in part.column_names:
        answers = np.stack([answers, read_labels(part, "predicted").reshape(answers.shape)], axis=-1)
    return seeds, labels, answers


def paired(
    first: Samples, second: Samples, metric: str, single: bool
) -> tuple[BootstrapSample, BootstrapSample] | None:
    """One metric of two methods on the seeds that both have, None if there is none.

    single: a method with one seed is paired with every seed of the other, as where no shots are drawn.
    """
    (seeds, one), (others, other) = (first[0], first[1][metric]), (second[0], second[1][metric])
    if single and 1 in (len(seeds), len(others)):
        return one, other
    both = [seed for seed in seeds if seed in others]
    return (one.select_seeds(*map(seeds.index, both)), other.select_seeds(*map(others.index, both))) if both else None
