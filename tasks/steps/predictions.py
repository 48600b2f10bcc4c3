"""What a method leaves in the lake: its predictions, the ids of the examples it saw, and its weights."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.steps.checks import finite, unique_ids
from tasks.steps.facts import FitFacts, SeedFacts
from tasks.steps.specs import FitSpec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake


def prediction_rows(split: str, seed: int, ids: list[str], labels: np.ndarray, probabilities: np.ndarray) -> pa.Table:
    """One row an example: labels (N,), probabilities (N, C), and the class predicted."""
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "split": pa.array([split] * len(ids), pa.string()),
            "seed": pa.array([seed] * len(ids), pa.int32()),
            "label": pa.array(labels, pa.int32()),
            "predicted": pa.array(probabilities.argmax(axis=1), pa.int32()),
            "probabilities": pa.array(list(probabilities.astype(np.float32)), pa.list_(pa.float32())),
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
    answers = list(zip(*(table[name].to_pylist() for name in ("seed", "split", "id")), strict=True))
    examples = len({(split, example) for _, split, example in answers})
    sums = np.array([sum(row) for row in table["probabilities"].to_pylist()])
    checks = [
        Check(
            name="an answer of every seed to every example",
            passed=len(table) == len(seeds) * examples,
            detail=f"{len(table)} answers of {len(seeds)} seeds to {examples} examples",
        ),
        unique_ids(answers),
        finite(sums, "sums of probabilities"),
        Check(name="probabilities sum to 1", passed=bool(np.allclose(sums, 1, atol=1e-5)), detail=f"{len(sums)} rows"),
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


def calibrator_file(home: Home, step: Step[FitSpec]) -> Path:
    """The stored weights of a fit, of its first seed."""
    return step.partition(Lake(home)).file(_file_name(step))


def _file_name(step: Step[FitSpec]) -> str:
    return f"seed-{step.spec.seeds[0]}.safetensors"
