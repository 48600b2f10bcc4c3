"""Finished blocks to a published partition of anchors."""

import json

import numpy as np
import pyarrow.parquet as pq

from tasks.models.head_blocks import stored_head_of
from tasks.steps.anchor_table import publish_anchors
from tasks.steps.decorator import step_task
from tasks.steps.facts import AnchorsFacts
from tasks.steps.head_blocks import INVERSE, discard_sums, read
from tasks.steps.shards import Span, finished_shards
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from warehouse.home import Home
from warehouse.lake.partition import Lake


@step_task(task_run_name="publish anchors {model.name}")
def publish_anchor_blocks(home: Home, model: ModelCard, step: Step[AnchorsSpec], size: int, spans: list[Span]) -> str:
    """Write the manifest once every block is there, and remove the sums. Returns the partition's key."""
    head = stored_head_of(model, home).head
    files, partition = finished_shards(home, step, head.tokens, size), step.partition(Lake(home))
    norm = np.concatenate([pq.read_table(partition.written(file), columns=["norm"])["norm"] for file in files])
    facts = AnchorsFacts(
        **json.loads(read(home, step, INVERSE)[1]["facts"]),
        gauge=step.spec.gauge,
        tokens=head.tokens,
        padding_rows=head.weight.shape[0] - head.tokens,
        softcap=head.softcap,
        scale=head.scale,
        card=model.model_dump(mode="json"),
    )
    try:
        publish_anchors(home, step, files, facts, min(head.weight.shape), norm)
    finally:
        discard_sums(home, step, spans)
    return step.key
