"""The anchors of a model: in one task, or of a large head by blocks of its rows, which no task has whole in memory.

The blocks are summed, the sum of d × d numbers is inverted, and a block of anchors is solved by each task. What is
finished is kept: a run that was killed goes on with the blocks that it lacks.
"""

from functools import partial
from typing import Any

from flows.execution.progress import progress
from flows.execution.workers import compute, in_order, submit
from flows.planning.memory import ANCHOR_ROWS, SUM_ROWS, WHOLE_HEAD, block_bytes, solving_bytes
from tasks.anchor_block import solve_anchor_block
from tasks.anchors import build_anchors
from tasks.head_inverse import invert_head
from tasks.head_size import count_head_rows
from tasks.head_sums import sum_head_rows
from tasks.publish_anchors import publish_anchor_blocks
from tasks.steps.head_blocks import INVERSE, WHITEN, Sum, finished, sum_name
from tasks.steps.progress import ProgressFile
from tasks.steps.shards import Span, resumed_shards, shards
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from warehouse.home import Home


def solve_model(home: Home, model: ModelCard, step: Step[AnchorsSpec], device: str) -> None:
    """Solve and publish the anchors of a model."""
    large = model.vocabulary_size * model.hidden_size > WHOLE_HEAD and model.family != "encoder"
    tokens = compute(count_head_rows, home, model) if large else None
    if tokens is None:
        memory = solving_bytes(model, device)
        compute(build_anchors, home, model, step, device, device=device, memory=memory)
    else:
        _Blocks(home, model, step, device, shards(tokens, SUM_ROWS)).solve(tokens)


class _Blocks:
    """The tasks of one head."""

    def __init__(self, home: Home, model: ModelCard, step: Step[AnchorsSpec], device: str, spans: list[Span]) -> None:
        self.of = (home, model, step)
        self.home, self.model, self.step, self.device, self.spans = home, model, step, device, spans
        self.needs: dict[str, Any] = {"device": device, "memory": block_bytes(model)}

    def solve(self, tokens: int) -> None:
        if not self._is_there(INVERSE):
            self._invert()
        done = resumed_shards(self.home, self.step, tokens, ANCHOR_ROWS)
        todo = [span for span, file in done.items() if file is None]
        self._each(f"anchors of {self.model.name}", self._solve_block, done, todo)
        compute(publish_anchor_blocks, *self.of, ANCHOR_ROWS, self.spans)

    def _invert(self) -> None:
        if self.step.spec.gauge == "centered":
            self._sum("total", "mean row of the head")
        self._sum("gram", "products of the head")
        if self._is_there(WHITEN) or not self._compute_inverse(whitened=False):
            self._sum("whitened", "products of the whitened head")
            self._compute_inverse(whitened=True)

    def _is_there(self, name: str) -> bool:
        return finished(self.home, self.step, name)

    def _compute_inverse(self, *, whitened: bool) -> bool:
        return compute(invert_head, *self.of, self.spans, self.device, whitened, **self.needs)

    def _sum(self, what: Sum, title: str) -> None:
        todo = [span for span in self.spans if not self._is_there(sum_name(what, span))]
        self._each(f"{title} of {self.model.name}", partial(self._sum_block, what), self.spans, todo)

    def _each(self, title: str, submit_one: Any, spans: Any, todo: list[Span]) -> None:
        rows, missing = (sum(stop - start for start, stop in each) for each in (spans, todo))
        with progress(title, rows) as file:
            file.advance(rows - missing)
            in_order(partial(submit_one, file), todo)

    def _sum_block(self, what: Sum, file: ProgressFile, span: Span) -> Any:
        return submit(sum_head_rows, *self.of, what, span, self.spans, self.device, file, **self.needs)

    def _solve_block(self, file: ProgressFile, span: Span) -> Any:
        return submit(solve_anchor_block, *self.of, *span, self.spans, self.device, file, **self.needs)
