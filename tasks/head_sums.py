"""What the anchors of a model need of a block of its head's rows: one file of d numbers, or d × d."""

import torch

from tasks.models.head_blocks import head_rows, stored_head_of
from tasks.steps.decorator import step_task
from tasks.steps.head_blocks import WHITEN, Sum, read, sum_name, write
from tasks.steps.progress import ProgressFile
from tasks.steps.shards import Span
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from vocabsem.runtime.parallel import thread_limits
from warehouse.home import Home


@step_task(task_run_name="{what} of the head of {model.name} {span}")
def sum_head_rows(
    home: Home,
    model: ModelCard,
    step: Step[AnchorsSpec],
    what: Sum,
    span: Span,
    spans: list[Span],
    device: str,
    progress: ProgressFile | None = None,
) -> str:
    """Sum rows of the head, one of `spans`, all of which are its blocks. Returns the file's name."""
    rows = head_rows(home, model, step, span, device, [] if what == "total" else spans)
    with thread_limits(1, "blas"):
        if what == "total":
            sums = {"total": rows.total()}
        elif what == "whitened":
            whiten = read(home, step, WHITEN)[0]["whiten"].to(rows.device)
            sums = {"gram": rows.gram(whiten)}
        else:
            sums = {"gram": rows.gram()}
            head = stored_head_of(model, home).head
            if head.bias is not None:
                bias = head.bias[: head.tokens].to(torch.float64)
                own = bias - bias.mean() if step.spec.gauge == "centered" else bias
                sums["biased"] = rows.weighted(own[slice(*span)])
    write(home, step, name := sum_name(what, span), sums)
    if progress:
        progress.advance(span[1] - span[0])
    return name
