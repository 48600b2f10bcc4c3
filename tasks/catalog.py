"""The catalog, brought up to date with the lake."""

from tasks.steps.decorator import step_task
from warehouse.catalog.catalog import rebuild, update
from warehouse.errors import WriterBusy
from warehouse.home import Home


@step_task(task_run_name="update the catalog", retry_on=(WriterBusy,))
def update_catalog(home: Home, whole: bool = False) -> None:
    """Add what was published since the last update; `whole` rebuilds it. Raises WriterBusy while another does."""
    (rebuild if whole else update)(home)
