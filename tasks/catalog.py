"""The lake's manifests to the warehouse."""

from tasks.models import passing
from tasks.step_task import step_task
from warehouse.catalog import rebuild
from warehouse.errors import WriterBusy
from warehouse.home import Home


@step_task(task_run_name="rebuild the warehouse", **passing(WriterBusy))
def rebuild_catalog(home: Home) -> None:
    """Build the catalog anew beside the old one and swap it in. Raises WriterBusy while another process does."""
    rebuild(home)
