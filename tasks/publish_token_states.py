"""Finished shards to a published partition of the states of all tokens."""

import numpy as np
import pyarrow.parquet as pq

from tasks.steps.checks import finite, head_guard, norm_range
from tasks.steps.decorator import step_task
from tasks.steps.facts import NormFacts, TokenStatesFacts
from tasks.steps.shards import finished_shards
from tasks.steps.specs import TokenStatesSpec
from tasks.steps.step import Step
from vocabsem.states.layers import column_of
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


@step_task(task_run_name="publish states of tokens {step.spec.dataset} {step.spec.split}")
def publish_token_states(home: Home, step: Step[TokenStatesSpec], rows: int, size: int) -> str:
    """Write the manifest once every shard is there. Returns the partition's key."""
    spec, partition = step.spec, step.partition(Lake(home))
    files = finished_shards(home, step, rows, size)
    seconds, truncated, whole, ids, guard = 0.0, 0, 0, [], ""
    layers = [column_of(layer) for layer in spec.layers]
    norms: list[list[np.ndarray]] = [[] for _ in layers]
    for entry in files:
        table = pq.read_table(partition.written(entry), columns=["id", "tokens", "truncated", "position", *layers])
        metadata, position = table.schema.metadata, table["position"].to_numpy()
        seconds += float(metadata[b"seconds"])
        guard = metadata.get(b"guard", guard.encode()).decode()
        first, last = position == 0, position == table["tokens"].to_numpy() - 1
        truncated += int(table["truncated"].to_numpy()[first].sum())
        ids += table["id"].filter(first).to_pylist()
        follows = (np.diff(position) == 1) | last[:-1]
        whole += int(last.sum()) if follows.all() else 0
        for of_layer, layer in zip(norms, layers, strict=True):
            of_layer.append(np.linalg.norm(matrix(table[layer]), axis=1))
    every = np.stack([np.concatenate(of_layer) for of_layer in norms])  # (layers, T)
    norm = every[-1]
    facts = TokenStatesFacts(
        layers=spec.layers,
        dtype=spec.dtype,
        max_tokens=spec.max_tokens,
        texts=len(ids),
        tokens=every.shape[1],
        truncated=truncated,
        seconds=round(seconds, 3),
        norm=NormFacts(min=float(norm.min()), mean=float(norm.mean()), max=float(norm.max())),
    )
    complete = len(set(ids)) == whole == rows
    checks = [
        Check(
            name="all tokens of every example",
            passed=complete,
            detail=f"{len(set(ids))} ids and {whole} whole prompts of {rows} examples",
        ),
        finite(every, "norms of states"),
        *(norm_range(of_layer, f" of {layer}") for layer, of_layer in zip(layers, every, strict=True)),
        head_guard(guard),
    ]
    step.publish(Lake(home), files, facts, checks)
    return step.key
