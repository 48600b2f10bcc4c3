"""Score the stored predictions of an experiment and bring the warehouse up to date."""

from flows.execution.stages import require, score_methods, stage
from flows.planning.plan import Plan
from tasks.maintenance import rebuild_catalog


@stage()
def evaluate(plan: Plan) -> list[str]:
    """Metrics with intervals. Returns their keys. Raises NotPublished where predictions are missing,
    CheckFailed where what they read was refused, when all else is done."""
    require(plan, "predictions")
    keys = score_methods(plan)
    rebuild_catalog(plan.home)
    return keys
