"""What keeps a home in order: every byte compared with its manifest, leftovers removed, the warehouse made anew."""

from collections.abc import Callable
from datetime import timedelta

from tasks.models.loaded import retry_on
from tasks.steps.decorator import step_task
from warehouse.catalog.catalog import rebuild
from warehouse.errors import WriterBusy
from warehouse.home import Home
from warehouse.lake.gc import sweep
from warehouse.lake.verify import Verified, verify


@step_task(task_run_name="verify the lake")
def verify_lake(home: Home, progress: Callable[[int], None]) -> list[Verified]:
    """Re-hash every published file. What is damaged is told, never touched."""
    seen = []
    for one in verify(home):
        seen.append(one)
        progress(1)
    return seen


@step_task(task_run_name="sweep the lake")
def sweep_lake(home: Home, hours: float) -> list[str]:
    """Remove what no manifest lists and nobody has touched for `hours`; returns its paths."""
    return [str(path) for path in sweep(home, timedelta(hours=hours))]


@step_task(task_run_name="rebuild the warehouse", **retry_on(WriterBusy))
def rebuild_catalog(home: Home) -> None:
    """Build the catalog anew beside the old one and swap it in. Raises WriterBusy while another process does."""
    rebuild(home)
