"""What a method leaves in the lake: its predictions, the ids of the examples it saw, and its weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.steps.checks import finite, unique_rows
from tasks.steps.facts import FitFacts, SeedFacts
from tasks.steps.label_columns import NUMBER, SEVERAL, label_columns, read_labels
from tasks.steps.specs import FitSpec
from tasks.steps.step import Step
from vocabsem.datasets.label_values import is_continuous
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake


def prediction_rows(
    split: str,
    seed: int,
    ids: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray | None = None,
) -> pa.Table:
    """One row an example: labels (N,), probabilities (N, C), and the class predicted.

    Of any number of labels (N, L) those are predicted whose probability reaches `thresholds` (L,).
    """
    rows, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1) if thresholds is None else probabilities >= thresholds
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * classes)
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "split": pa.repeat(split, rows),
            "seed": pa.array(np.full(rows, seed, np.int32)),
            **label_columns(labels),
            **label_columns(predicted, "predicted"),
            "probabilities": pa.ListArray.from_arrays(offsets, probabilities.astype(np.float32).ravel()),
        }
    )


def answer_rows(
    split: str, seed: int, ids: Sequence[str], labels: np.ndarray, estimator: Any, X: Any, classes: int | None = None
) -> pa.Table:
    """One row an example: its label and what a fitted estimator answers to X, states or texts.

    An estimator of any number of labels has `thresholds_`, one of numbers predicts them. classes: C, where `classes_`
    of the estimator may lack some.
    """
    if is_continuous(labels):
        return _number_rows(split, seed, ids, labels, estimator.predict(X))
    probabilities = estimator.predict_proba(X)
    if classes is not None:
        probabilities, known = np.zeros((len(ids), classes)), probabilities
        probabilities[:, estimator.classes_] = known
    thresholds = estimator.thresholds_ if labels.ndim == 2 else None
    return prediction_rows(split, seed, ids, labels, probabilities, thresholds)


def _number_rows(split: str, seed: int, ids: Sequence[str], targets: np.ndarray, predicted: np.ndarray) -> pa.Table:
    """One row an example: targets (N,) and the numbers predicted (N,)."""
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "split": pa.repeat(split, len(ids)),
            "seed": pa.array(np.full(len(ids), seed, np.int32)),
            **label_columns(targets),
            **label_columns(predicted, "predicted"),
        }
    )


def publish_predictions(
    home: Home,
    step: Step[FitSpec],
    predictions: list[pa.Table],
    training: list[tuple[int, str]],
    calibrator: bytes,
    seeds: list[SeedFacts],
) -> None:
    """Write the partition of a step.

    `training`: seed and id of each labeled example; `calibrator`: the first seed's weights; `seeds`: facts of each.
    """
    lake, table = Lake(home), pa.concat_tables(predictions)
    numbers, ids = zip(*training, strict=True) if training else ((), ())
    seen = pa.table({"seed": pa.array(numbers, pa.int32()), "id": pa.array(ids, pa.string())})
    answers = table.select(["seed", "split", "id"])
    examples = len(answers.group_by(["split", "id"], use_threads=False).aggregate([]))
    checks = [
        Check(
            name="an answer of every seed to every example",
            passed=len(table) == len(seeds) * examples,
            detail=f"{len(table)} answers of {len(seeds)} seeds to {examples} examples",
        ),
        unique_rows(answers),
        *_proper(table),
    ]
    partition = step.partition(lake)
    files = [
        partition.write_table("part-0.parquet", table),
        partition.write_table("training.parquet", seen),
        partition.write_bytes(_file_name(step), calibrator),
    ]
    method = step.spec.method
    facts = FitFacts(
        method=method.name,
        params=method.params,
        label_noise=method.label_noise,
        revision=method.revision,
        shots=step.spec.shots,
        seeds=seeds,
    )
    step.publish(lake, files, facts, checks)


def _proper(table: pa.Table) -> list[Check]:
    """Return whether predictions are valid: finite numbers; probabilities of classes that sum to 1, or of labels one by
    one."""
    if NUMBER in table.column_names:
        return [finite(read_labels(table, "predicted"), "predicted numbers")]
    chunks = list(map(_matrix, table["probabilities"].chunks))
    sums = np.concatenate([np.empty(0), *(chunk.sum(axis=1) for chunk in chunks)])
    detail, all_finite = f"{len(sums)} rows", finite(sums, "sums of probabilities")
    if SEVERAL in table.column_names:
        inside = all(((p >= 0) & (p <= 1)).all() for p in chunks)
        return [all_finite, Check(name="probabilities of labels from 0 to 1", passed=bool(inside), detail=detail)]
    one = bool(np.allclose(sums, 1, atol=1e-5))
    return [all_finite, Check(name="probabilities sum to 1", passed=one, detail=detail)]


def _matrix(probabilities: pa.ListArray) -> np.ndarray:
    """(N, C), float64."""
    return np.asarray(probabilities.flatten().to_numpy().astype(np.float64).reshape(len(probabilities), -1))


def calibrator_file(home: Home, step: Step[FitSpec]) -> Path:
    """The stored weights of a fit, of its first seed."""
    return step.partition(Lake(home)).file(_file_name(step))


def _file_name(step: Step[FitSpec]) -> str:
    return f"seed-{step.spec.seeds[0]}.safetensors"
