"""Finished shards to a published partition of word scores."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.models.loaded import word_ids
from tasks.steps.checks import finite, unique_ids
from tasks.steps.decorator import step_task
from tasks.steps.facts import WordScoresFacts
from tasks.steps.lake_reads import SCORES, read_demonstrations
from tasks.steps.shards import finished_shards
from tasks.steps.specs import WordScoresSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


@step_task(task_run_name="publish word scores {step.spec.dataset} {step.spec.split}")
def publish_word_scores(home: Home, model: ModelCard, step: Step[WordScoresSpec], rows: int, size: int) -> str:
    """Write the manifest once every shard is there. Returns the partition's key."""
    spec, partition = step.spec, step.partition(Lake(home))
    files = finished_shards(home, step, rows, size)
    tables = [pq.read_table(partition.written(entry)) for entry in files]
    table = pa.concat_tables(tables)
    ids, scores = table["id"].to_pylist(), matrix(table[SCORES])  # (N, W)
    shown = read_demonstrations(home, spec.model, spec.dataset, spec.demonstrations)[0] if spec.demonstrations else ()
    facts = WordScoresFacts(
        dtype=spec.dtype,
        max_tokens=spec.max_tokens,
        tokens=pc.sum(table["tokens"]).as_py(),
        truncated=pc.sum(table["truncated"]).as_py(),
        seconds=round(sum(float(each.schema.metadata[b"seconds"]) for each in tables), 3),
        demonstrations=tuple(shown),
        words=tuple(map(tuple, word_ids(model, spec, home))),
    )
    checks = [
        Check(name="a row for every example", passed=len(ids) == rows, detail=f"{len(ids)} rows of {rows} examples"),
        unique_ids(ids),
        finite(scores, "scores"),
        Check(
            name="no probability above 1",
            passed=bool(np.max(scores, initial=-1) <= 1e-3),  # rounding of float32, of logits up to a hundred
            detail=f"largest log-probability {np.max(scores, initial=-np.inf):.3g}",
        ),
    ]
    step.publish(Lake(home), files, facts, checks)
    return step.key
