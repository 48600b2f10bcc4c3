"""Predictions to metrics with intervals, for each split and seed and over the seeds."""

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.step_task import step_task
from tasks.steps import Step
from tasks.versions import versions
from vocabsem.metrics import across_seeds, bootstrap, evaluate
from warehouse.home import Home
from warehouse.lake import Lake
from warehouse.manifest import Check

Row = tuple[str, int | None, str, float, float | None, float | None, float | None]
SCHEMA = pa.schema(
    [("split", pa.string()), ("seed", pa.int32()), ("metric", pa.string())]
    + [(name, pa.float64()) for name in ("value", "low", "high", "spread")]
)


@step_task(task_run_name="score {dataset}")
def score(home: Home, dataset: str, pairs: list[tuple[Step, Step]]) -> list[str]:
    """Score each (predictions, metrics) pair of steps and publish. Returns the keys of the metrics."""
    for predictions, metrics in pairs:
        _score(home, predictions, metrics)
    return [metrics.key for _, metrics in pairs]


def _score(home: Home, predictions: Step, metrics: Step) -> None:
    source = predictions.partition(Lake(home))
    manifest = source.manifest()
    assert manifest is not None
    table = source.table()
    rows: list[Row] = []
    for split in pc.unique(table["split"]).to_pylist():
        rows += _rows(split, table.filter(pc.equal(table["split"], split)), manifest.facts["seeds"])
    partition = metrics.partition(Lake(home))
    columns = list(zip(*rows, strict=True))
    result = pa.table(
        [pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
    partition.publish(
        [partition.write_table("part-0.parquet", result)],
        payload=metrics.payload,
        inputs=metrics.inputs,
        facts={},
        checks=[
            Check(
                name="finite",
                passed=bool(np.isfinite(result["value"].to_numpy()).all()),
                detail=f"{len(result)} figures",
            )
        ],
        versions=versions(),
    )


def _rows(split: str, table: pa.Table, facts: list[dict[str, Any]]) -> list[Row]:
    seeds = pc.unique(table["seed"]).to_pylist()
    values: dict[str, list[float]] = defaultdict(list)
    rows: list[Row] = []
    stack = []
    for seed in seeds:
        part = table.filter(pc.equal(table["seed"], seed))
        labels = part["label"].to_numpy()
        probabilities = np.stack(part["probabilities"].to_numpy())  # (N, C)
        stack.append(probabilities)
        figures = evaluate(labels, probabilities)
        intervals = bootstrap(labels, probabilities)
        known = next(fact for fact in facts if fact["seed"] == seed)
        extra = {name: known[name] for name in ("fit_seconds", "ari_before", "ari_after") if name in known}
        for metric, value in (figures | (extra if split == "test" else {})).items():
            values[metric].append(value)
            rows.append((split, seed, metric, value, *intervals.get(metric, (None, None)), None))
    intervals = bootstrap(labels, np.stack(stack))  # the seeds' mean, over resampled examples
    for metric, each in values.items():
        mean, spread = across_seeds(each)
        rows.append((split, None, metric, mean, *intervals.get(metric, (None, None)), spread))
    return rows
