"""Fit every method of an experiment on stored states."""

from flows.execution.stages import fit_methods, require, stage
from flows.planning.plan import Plan


@stage()
def calibrate(plan: Plan) -> list[str]:
    """Fit and predict. Returns the keys of the predictions. Raises NotPublished where states or anchors are missing,
    CheckFailed where they were refused, when all else is done."""
    require(plan, "states", "anchors")
    return fit_methods(plan)
