"""`python -m flows.anchors CARD`: the semantic anchors of an experiment's models."""

from flows.plan import Plan
from flows.stages import solve_anchors, stage


@stage("anchors")
def anchors(plan: Plan) -> list[str]:
    """Solve the anchors of every model of the card. Returns the keys of their partitions. Raises CheckFailed."""
    return solve_anchors(plan)


if __name__ == "__main__":
    from flows.cli import main

    main("anchors")
