"""Finished shards to a published partition of states."""

from tasks.steps.checks import head_guard
from tasks.steps.decorator import step_task
from tasks.steps.facts import NormFacts, StatesFacts
from tasks.steps.lake_reads import read_demonstrations
from tasks.steps.shard_reads import read_shards
from tasks.steps.shards import finished_shards
from tasks.steps.specs import StatesSpec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.partition import Lake


@step_task(task_run_name="publish states {step.spec.dataset} {step.spec.split}")
def publish_states(home: Home, step: Step[StatesSpec], rows: int, size: int) -> str:
    """Write the manifest once every shard is there. Returns the partition's key."""
    files = finished_shards(home, step, rows, size)
    read = read_shards(step.partition(Lake(home)), files, step.spec.layers)
    norm = read.norms[-1]
    facts = StatesFacts(
        layers=step.spec.layers,
        pooling=step.spec.pooling,
        dtype=step.spec.dtype,
        max_tokens=step.spec.max_tokens,
        tokens=read.tokens,
        truncated=read.truncated,
        seconds=round(read.seconds, 3),
        demonstrations=tuple(_demonstrations(home, step.spec)),
        norm=NormFacts(min=float(norm.min()), mean=float(norm.mean()), max=float(norm.max())),
    )
    step.publish(Lake(home), files, facts, [*read.checks(rows), head_guard(read.guard)])
    return step.key


def _demonstrations(home: Home, spec: StatesSpec) -> list[str]:
    if spec.demonstrations is None:
        return []
    return read_demonstrations(home, spec.model, spec.dataset, spec.demonstrations)[0]
