"""Stored states and anchors to figures about the model: contextual bias, agreement, gauge, rounding of the head."""

import numpy as np
import pyarrow as pa
from scipy.special import softmax

from tasks.models.label_space import label_space
from tasks.steps.checks import finite
from tasks.steps.decorator import step_task
from tasks.steps.facts import DiagnosticsFacts
from tasks.steps.lake_reads import read_states
from tasks.steps.specs import DiagnosticsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.diagnostics import MAX_STATES, contextual_bias, evaluate_vectors, similarity_metrics, vector_variants
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake

PROMPTS = ("content_free", "domain_words", "train")  # prompts whose answers show the model's bias
Row = tuple[str, str | None, str | None, str, float]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("subject", "states", "similarity", "figure")] + [("value", pa.float64())]
)


@step_task(task_run_name="diagnose {dataset.name}, {model.name}")
def diagnose_dataset(home: Home, model: ModelCard, dataset: DatasetCard, step: Step[DiagnosticsSpec]) -> str:
    """Publish every figure of one model on one data set, a row each. Returns the partition's key."""
    space, centered = (
        label_space(home, model, dataset, step.spec.anchors[gauge], whole=True) for gauge in ("raw", "centered")
    )
    vocabulary, other = space.vocabulary, centered.vocabulary
    assert vocabulary is not None
    assert other is not None
    read = {
        split: read_states(home, model.name, dataset.name, split, step.spec.states[split])
        for split in (*PROMPTS, "test")
    }
    last = {split: states[:, -space.width :] for split, (_, _, states) in read.items()}  # the layer that meets the head
    rows: list[Row] = []
    bias = {split: contextual_bias(softmax(space.label_logits(last[split]), axis=1)) for split in PROMPTS}
    bias["labels"] = contextual_bias(np.eye(space.classes)[read["train"][1]])
    rows += [
        (prompts, None, None, figure, value) for prompts, metrics in bias.items() for figure, value in metrics.items()
    ]
    mean = last["train"].mean(axis=0, dtype=np.float64).astype(np.float32)
    for name, vectors, reference in vector_variants(vocabulary, other.anchors):
        if reference is not None:
            similarities = similarity_metrics(vectors, reference, vocabulary.label_ids)
            rows += [(name, None, None, figure, value) for figure, value in similarities.items()]
        for (where, metric), metrics in evaluate_vectors(vectors, space, last["test"], read["test"][1], mean).items():
            rows += [(name, where, metric, figure, value) for figure, value in metrics.items()]
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
        Lake(home), table, DiagnosticsFacts(states=MAX_STATES), [finite(table["value"].to_numpy(), "figures"), same]
    )
