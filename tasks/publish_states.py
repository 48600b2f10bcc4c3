"""Finished shards to a published partition of states."""

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.steps.checks import finite, head_guard, norm_range, unique_ids
from tasks.steps.decorator import step_task
from tasks.steps.facts import NormFacts, StatesFacts
from tasks.steps.lake_reads import read_demonstrations
from tasks.steps.shards import finished_shards
from tasks.steps.specs import StatesSpec
from tasks.steps.step import Step
from vocabsem.states.layers import column_of
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


@step_task(task_run_name="publish states {step.spec.dataset} {step.spec.split}")
def publish_states(home: Home, step: Step[StatesSpec], rows: int, size: int) -> str:
    """Write the manifest once every shard is there. Returns the partition's key."""
    partition = step.partition(Lake(home))
    files = finished_shards(home, step, rows, size)
    seconds, tokens, truncated, ids, norms, guard = 0.0, 0, 0, [], [], ""
    layers = [column_of(layer) for layer in step.spec.layers]
    for entry in files:
        table = pq.read_table(partition.written(entry), columns=["id", "tokens", "truncated", *layers])
        metadata = table.schema.metadata
        seconds += float(metadata[b"seconds"])
        guard = metadata.get(b"guard", guard.encode()).decode()
        tokens += pc.sum(table["tokens"]).as_py()
        truncated += pc.sum(table["truncated"]).as_py() or 0
        ids += table["id"].to_pylist()
        norms.append([np.linalg.norm(matrix(table[layer]), axis=1) for layer in layers])
    every = np.concatenate(norms, axis=1)  # (layers, N)
    norm = every[-1]
    facts = StatesFacts(
        layers=step.spec.layers,
        pooling=step.spec.pooling,
        dtype=step.spec.dtype,
        max_tokens=step.spec.max_tokens,
        tokens=tokens,
        truncated=truncated,
        seconds=round(seconds, 3),
        demonstrations=tuple(_demonstrations(home, step.spec)),
        norm=NormFacts(min=float(norm.min()), mean=float(norm.mean()), max=float(norm.max())),
    )
    checks = [
        Check(name="a row for every example", passed=len(ids) == rows, detail=f"{len(ids)} rows of {rows} examples"),
        unique_ids(ids),
        finite(every, "norms of states"),
        *(norm_range(of_layer, f" of {layer}") for layer, of_layer in zip(layers, every, strict=True)),
        head_guard(guard),
    ]
    step.publish(Lake(home), files, facts, checks)
    return step.key


def _demonstrations(home: Home, spec: StatesSpec) -> list[str]:
    if spec.demonstrations is None:
        return []
    return read_demonstrations(home, spec.model, spec.dataset, spec.demonstrations)[0]
