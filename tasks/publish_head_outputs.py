"""Finished shards to a published partition of the outputs of attention heads."""

from tasks.steps.checks import heads_guard
from tasks.steps.decorator import step_task
from tasks.steps.facts import HeadOutputsFacts
from tasks.steps.shard_reads import read_shards
from tasks.steps.shards import finished_shards
from tasks.steps.specs import HeadOutputsSpec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.partition import Lake


@step_task(task_run_name="publish outputs of heads {step.spec.dataset} {step.spec.split}")
def publish_head_outputs(home: Home, step: Step[HeadOutputsSpec], rows: int, size: int) -> str:
    """Write the manifest once every shard is there. Returns the partition's key."""
    files = finished_shards(home, step, rows, size)
    read = read_shards(step.partition(Lake(home)), files, step.spec.layers)
    facts = HeadOutputsFacts(
        layers=step.spec.layers,
        dtype=step.spec.dtype,
        max_tokens=step.spec.max_tokens,
        tokens=read.tokens,
        truncated=read.truncated,
        seconds=round(read.seconds, 3),
    )
    step.publish(Lake(home), files, facts, [*read.checks(rows), heads_guard(read.guard)])
    return step.key
