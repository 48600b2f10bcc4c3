"""Examples to hidden states, a shard a task. A shard that was finished before a kill is found and kept."""

import json
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.models.loaded import INFERENCE, loaded
from tasks.models.prompts import make_prompts
from tasks.steps.checks import finite, norm_range, unique_ids
from tasks.steps.decorator import step_task
from tasks.steps.facts import NormFacts, StatesFacts
from tasks.steps.lake_reads import prompt_rows
from tasks.steps.specs import StatesSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.extraction import check_head, extract
from warehouse.home import Home
from warehouse.lake.manifest import Check, FileEntry
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix, vectors


def shards(rows: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def shard_name(start: int, stop: int) -> str:
    return f"part-{start:08d}-{stop:08d}.parquet"


def finished(home: Home, step: Step[StatesSpec], start: int, stop: int) -> FileEntry | None:
    return step.partition(Lake(home)).finished(shard_name(start, stop))


@step_task(task_run_name="states {dataset.name} {step.spec.split} {start}-{stop}")
def extract_shard(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    step: Step[StatesSpec],
    start: int,
    stop: int,
    device: str,
    progress: Callable[[int, int], None] = lambda prompts, tokens: None,
) -> str:
    """Rows `start` to `stop` of a split: prompts, states of every wanted layer, one file. Returns its name."""
    spec = step.spec
    rows = prompt_rows(home, dataset.name, spec.examples, spec.split).slice(start, stop - start)
    prompts, shown = make_prompts(home, model, dataset, spec, [dict(fields) for fields in rows["fields"].to_pylist()])
    with INFERENCE:
        network = loaded(model, home, spec.dtype, device)
        difference = check_head(network, prompts.token_ids) if start == 0 else None
        began = time.perf_counter()
        states = extract(
            network,
            prompts.token_ids,
            spec.layers,
            pooling=spec.pooling,
            progress=progress,
        )
        seconds = time.perf_counter() - began
    table = pa.table(
        {
            "id": rows["id"],
            "tokens": pa.array([len(ids) for ids in prompts.token_ids], pa.int32()),
            "shortened": pa.array(prompts.truncated, pa.bool_()),
            **{f"layer_{layer}": vectors(values) for layer, values in states.items()},
        }
    ).replace_schema_metadata(
        {"seconds": f"{seconds:.3f}", "demonstrations": json.dumps(shown)}
        | ({} if difference is None else {"guard": f"{difference:.3g}"})
    )
    name = shard_name(start, stop)
    step.partition(Lake(home)).write_table(name, table)
    return name


@step_task(task_run_name="publish states {step.spec.dataset} {step.spec.split}")
def publish_states(home: Home, step: Step[StatesSpec], rows: int, size: int) -> str:
    """Write the manifest once every shard is there. Returns the partition's key."""
    partition = step.partition(Lake(home))
    entries = {span: partition.finished(shard_name(*span)) for span in shards(rows, size)}
    files = [entry for entry in entries.values() if entry is not None]
    if len(files) != len(entries):
        lost = [shard_name(*span) for span, entry in entries.items() if entry is None]
        raise RuntimeError(
            f"shards {', '.join(lost)} of {partition.path} vanished while the run was going: run it again"
        )
    seconds, tokens, shortened, ids, norms, guard = 0.0, 0, 0, [], [], ""
    layers = [f"layer_{layer}" for layer in step.spec.layers]
    for entry in files:
        table = pq.read_table(partition.path / entry.name, columns=["id", "tokens", "shortened", *layers])
        metadata = table.schema.metadata
        seconds += float(metadata[b"seconds"])
        guard = metadata.get(b"guard", guard.encode()).decode()
        tokens += pc.sum(table["tokens"]).as_py()
        shortened += pc.sum(table["shortened"]).as_py() or 0
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
        shortened=shortened,
        seconds=round(seconds, 3),
        demonstrations=json.loads(metadata[b"demonstrations"]),
        norm=NormFacts(min=float(norm.min()), mean=float(norm.mean()), max=float(norm.max())),
    )
    checks = [
        Check(name="a row for every example", passed=len(ids) == rows, detail=f"{len(ids)} rows of {rows} examples"),
        unique_ids(ids),
        finite(every, "norms of states"),
        *(norm_range(of_layer, f" of {layer}") for layer, of_layer in zip(layers, every, strict=True)),
        Check(
            name="head(state) equals the model's logits",
            passed=True,
            detail=f"largest difference {guard} of the largest logit",
        ),
    ]
    step.publish(Lake(home), files, facts, checks)
    return step.key
