"""Stored states and anchors to values about the model: contextual bias, agreement, gauge, rounding of the head."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from scipy.special import softmax

from tasks.models.label_space import label_space
from tasks.models.word_gap import word_rows
from tasks.steps.checks import finite
from tasks.steps.decorator import step_task
from tasks.steps.facts import DiagnosticsFacts
from tasks.steps.lake_reads import sample_states, state_blocks
from tasks.steps.result_specs import DiagnosticsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.evaluation.diagnostics import (
    MAX_STATES,
    contextual_bias,
    evaluate_vectors,
    similarity_metrics,
    vector_variants,
)
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake

COMPARED = 100_000  # test rows by which vectors are evaluated, at most
PROMPTS = ("content_free", "domain_words", "train")  # prompts whose answers show the model's bias
Row = tuple[str, str | None, str | None, str, float]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("subject", "states", "similarity", "figure")] + [("value", pa.float64())]
)


@step_task(task_run_name="diagnose {dataset.name}, {model.name}")
def diagnose_dataset(home: Home, model: ModelCard, dataset: DatasetCard, step: Step[DiagnosticsSpec]) -> str:
    """Publish every measurement of one model on one data set, a row each. Returns the partition's key."""
    space, centered = (
        label_space(home, model, dataset, step.spec.anchors[gauge], whole=True) for gauge in ("raw", "centered")
    )
    vocabulary, other = space.vocabulary, centered.vocabulary
    assert vocabulary is not None
    assert other is not None

    def last_layer(split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield labels and those states that meet the head, block by block."""
        for _, labels, states in state_blocks(home, model.name, dataset.name, split, step.spec.states[split]):
            yield labels, states[:, -space.width :]

    rows: list[Row] = []
    answers = {split: [softmax(space.label_logits(h), axis=1) for _, h in last_layer(split)] for split in PROMPTS}
    bias = {split: contextual_bias(np.concatenate(blocks)) for split, blocks in answers.items()}
    labels, sums = zip(*((y, h.sum(axis=0, dtype=np.float64)) for y, h in last_layer("train")), strict=True)
    of_train = np.concatenate(labels)
    bias["labels"] = contextual_bias(np.eye(space.classes)[of_train])
    rows += [
        (prompts, None, None, metric, value) for prompts, metrics in bias.items() for metric, value in metrics.items()
    ]
    mean = (sum(sums) / len(of_train)).astype(np.float32)
    _, truth, test = sample_states(home, model.name, dataset.name, "test", step.spec.states["test"], COMPARED)
    for name, vectors, reference in vector_variants(vocabulary, other.anchors):
        if reference is not None:
            similarities = similarity_metrics(vectors, reference, vocabulary.label_ids)
            rows += [(name, None, None, metric, value) for metric, value in similarities.items()]
        for (where, similarity), metrics in evaluate_vectors(
            vectors, space, test[:, -space.width :], truth, mean
        ).items():
            rows += [(name, where, similarity, metric, value) for metric, value in metrics.items()]
    for split in step.spec.word_scores:
        rows += word_rows(home, model, dataset, step.spec, split, mean)
    _publish(home, step, rows, unbiased=not vocabulary.bias.any())
    return step.key


def _publish(home: Home, step: Step[DiagnosticsSpec], rows: list[Row], unbiased: bool) -> None:
    table = pa.table(list(zip(*rows, strict=True)), schema=SCHEMA)
    itself = next(row[-1] for row in rows if row[:4] == ("head", "raw", "dot", "spearman"))
    same = Check(
        name="a head without bias agrees with itself",
        passed=itself > 0.999 or not unbiased,
        detail=f"rank correlation {itself:.4f}",
    )
    step.publish(
        Lake(home), table, DiagnosticsFacts(states=MAX_STATES), [finite(table["value"].to_numpy(), "values"), same]
    )
