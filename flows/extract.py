"""Examples and hidden states of an experiment."""

from flows.execution.stages import build_datasets, extract_states, stage
from flows.planning.plan import Plan


@stage("examples", "states")
def extract(plan: Plan) -> list[str]:
    """Store the hidden states of every model on every data set of the card. Returns the keys of their partitions.
    Raises CheckFailed, when all else is done."""
    build_datasets(plan)
    return extract_states(plan)
