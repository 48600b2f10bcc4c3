"""A plan whose run is recorded and whose champion is registered, for tests of what it answers."""

from tasks.log_run import log_run
from tasks.record import record_run
from tasks.tracking.active_run import open_run
from tests.tasks.worlds import compute, with_store
from warehouse.catalog.catalog import rebuild


def recorded_champion(world, *kinds):
    """Compute the plan of a world (of it these kinds), and return it with the registration of its one champion."""
    plan = with_store(world).plan()
    compute(plan, *([kinds] if kinds else []))
    record_run.fn(plan.home, plan.experiment.model_dump(mode="json"), plan.run, 0.0, "", "a-run", [], plan.left_out)
    rebuild(plan.home)
    run = open_run(plan.home, {"name": plan.experiment.name, "description": ""}, {})
    (registered,) = log_run.fn(plan.home, plan.fits, plan.run.key, run, plan.experiment.shard_rows, champion=True)
    return plan, registered
