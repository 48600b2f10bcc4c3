"""A block of a head's rows to their anchors, one file."""

import numpy as np

from tasks.models.head_blocks import head_rows, stored_head_of, token_names
from tasks.steps.anchor_table import anchor_table
from tasks.steps.decorator import step_task
from tasks.steps.head_blocks import INVERSE, read
from tasks.steps.progress import ProgressFile
from tasks.steps.shards import Span, shard_name
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from vocabsem.runtime.parallel import thread_limits
from warehouse.home import Home
from warehouse.lake.partition import Lake


@step_task(task_run_name="anchors {model.name} {start}-{stop}")
def solve_anchor_block(
    home: Home,
    model: ModelCard,
    step: Step[AnchorsSpec],
    start: int,
    stop: int,
    spans: list[Span],
    device: str,
    progress: ProgressFile | None = None,
) -> str:
    """Solve tokens `start` to `stop`; `spans` are the blocks that were summed. Returns the file's name."""
    head, stored, _ = stored_head_of(model, home)
    solved, _ = read(home, step, INVERSE)
    rows = head_rows(home, model, step, (start, stop), device, spans)
    with thread_limits(1, "blas"):
        anchors, leverage = rows.times(solved["inverse"].to(rows.device))
    if "shift" in solved:
        anchors -= solved["shift"]
    bias = np.zeros(stop - start, np.float32) if head.bias is None else head.bias[start:stop].numpy()
    names = token_names(home, model, range(start, stop))
    table = anchor_table(start, names, anchors, anchors.norm(dim=1), leverage, stored[start:stop], bias)
    step.partition(Lake(home)).write_table(name := shard_name(start, stop), table)
    if progress:
        progress.advance(stop - start)
    return name
