"""The sums over all blocks of a head to what solves its anchors: one d × d matrix."""

import json

from tasks.models.head_blocks import stored_head_of
from tasks.steps.decorator import step_task
from tasks.steps.head_blocks import INVERSE, WHITEN, add_up, write
from tasks.steps.shards import Span
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from vocabsem.runtime.devices import resolve_device
from vocabsem.runtime.parallel import thread_limits
from vocabsem.vocabulary.gram import factorize
from warehouse.home import Home


@step_task(task_run_name="inverse of the head of {model.name}")
def invert_head(
    home: Home, model: ModelCard, step: Step[AnchorsSpec], spans: list[Span], device: str, whitened: bool
) -> bool:
    """Invert the Gram matrix; return False where the sums of whitened rows are needed first, which `whitened` uses."""
    head = stored_head_of(model, home).head
    with thread_limits(1, "blas"), thread_limits(1, "openmp"):  # the same bytes on any number of cores
        sums = add_up(home, step, "gram", spans)
        factor = factorize(sums["gram"].to(resolve_device(device)), head.tokens)
        if factor.is_refined_by_a_second_pass and not whitened:
            write(home, step, WHITEN, {"whiten": factor.whiten})
            return False
        if whitened:
            factor = factor.refined(add_up(home, step, "whitened", spans)["gram"].to(factor.gram.device))
        inverse = factor.inverse.cpu()
        tensors = {"inverse": inverse} | ({"shift": sums["biased"] @ inverse} if head.bias is not None else {})
    facts = {"condition": factor.condition, "residual": factor.residual, "rank": factor.rank, "solver": factor.solver}
    write(home, step, INVERSE, tensors, {"facts": json.dumps(facts)})
    return True
