"""The semantic anchors of an experiment's models."""

from flows.execution.stages import solve_anchors, stage
from flows.planning.plan import Plan


@stage("anchors")
def anchors(plan: Plan) -> list[str]:
    """Solve the anchors of every model of the card. Returns the keys of their partitions. Raises CheckFailed."""
    return solve_anchors(plan)
