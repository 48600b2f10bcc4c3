"""What is stored of the prompts of a split, shard by shard: states, of last tokens or all, heads, scores of words."""

from typing import Any

from flows.execution.activity import activity
from flows.execution.progress import progress
from flows.execution.workers import compute, in_order, submit
from flows.planning.memory import extraction_bytes
from flows.planning.plan import ModelDatasetPlan, Plan
from flows.planning.shared_states import same_prompts
from tasks.copy_shards import copy_shards
from tasks.head_outputs import extract_head_shard
from tasks.publish_head_outputs import publish_head_outputs
from tasks.publish_states import publish_states
from tasks.publish_token_states import publish_token_states
from tasks.publish_word_scores import publish_word_scores
from tasks.states import extract_shard
from tasks.steps.lake_reads import prompt_count
from tasks.steps.shards import Span, resumed_shards
from tasks.steps.specs import HeadOutputsSpec, StatesSpec, TokenStatesSpec, WordScoresSpec
from tasks.steps.step import Step
from tasks.token_states import extract_token_shard
from tasks.word_scores import score_shard

TASKS: dict[str, tuple[Any, Any]] = {
    StatesSpec.kind: (extract_shard, publish_states),
    TokenStatesSpec.kind: (extract_token_shard, publish_token_states),
    HeadOutputsSpec.kind: (extract_head_shard, publish_head_outputs),
}
IN_FLIGHT = 2  # shards at a time for each slot: one is in the model while the other is written


def extract_split(plan: Plan, pair: ModelDatasetPlan, steps: list[Step[Any]]) -> None:
    """Compute the shards of a split that are missing, a task each, and publish all; those of the same prompts under
    another name of the data set are copied."""
    (step,) = steps
    experiment, what = plan.experiment, step.kind.replace("_", " ")
    scores = isinstance(step.spec, WordScoresSpec)
    shard, publish = TASKS.get(step.kind, (score_shard, publish_word_scores))
    rows = prompt_count(plan.home, step.spec)
    if source := same_prompts(plan, step, pair):
        with activity(f"copying {what} of {source.spec.dataset}/{step.spec.split}, {pair.model.name}"):
            compute(copy_shards, plan.home, source, step)
    spans = resumed_shards(plan.home, step, rows, experiment.shard_rows)
    todo = [span for span, entry in spans.items() if entry is None]
    kept = rows - sum(stop - start for start, stop in todo)
    with progress(f"{what} of {step.spec.dataset}/{step.spec.split}, {pair.model.name}", rows) as file:
        file.advance(kept)

        def submit_shard(span: Span) -> Any:
            memory = extraction_bytes(pair.model, step.spec, span[1] - span[0], experiment.device)
            read = (pair.model,) if scores else (pair.model, pair.dataset)
            rest = (step, *span, experiment.device, file)
            return submit(shard, plan.home, *read, *rest, device=experiment.device, memory=memory)

        in_order(submit_shard, todo, IN_FLIGHT)
    if scores:
        compute(publish_word_scores, plan.home, pair.model, step, rows, experiment.shard_rows)
    else:
        compute(publish, plan.home, step, rows, experiment.shard_rows)
