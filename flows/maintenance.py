"""`maintenance`: verify the lake, remove leftovers, rebuild the catalog, and report it in a Prefect artifact."""

from typing import Annotated

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.execution.flow_run import run_name
from flows.execution.progress import progress
from tasks.catalog import update_catalog
from tasks.maintenance import Maintained, verify_and_sweep
from tasks.tracking.markdown import escape
from warehouse.errors import CorruptPartition
from warehouse.home import Home
from warehouse.lake.store import store_of


@flow(name="maintenance", flow_run_name=run_name, log_prints=True)
def maintenance(hours: Annotated[float, Field(ge=0)] = 24.0, home: str | None = None) -> str:
    """Compare every published byte with its manifest, remove what crashes left behind, rebuild the warehouse.

    Raises CorruptPartition where something is damaged, after the page that lists it; then the warehouse is as it was.

    Args:
        hours: Leftovers younger than this stay: a run may still be writing them.
        home: Folder of all data; the worker's own home if empty.
    """
    root = Home.find(home)
    folders = sum(1 for _ in store_of(root).folders(root.lake))
    with progress("partitions verified", folders) as file:
        done = verify_and_sweep.submit(root, hours, file).result()
    if not done.faults:
        update_catalog.submit(root, whole=True).result()
    create_markdown_artifact(_page(root, done), key="maintenance", description=done.summary)
    if done.faults:
        raise CorruptPartition(
            f"{done.summary} in {root.lake}; {done.faults[0]}. `vocabsem warehouse verify` lists all"
        )
    return done.summary


def _page(home: Home, done: Maintained) -> str:
    rebuilt = "not rebuilt, because of what is damaged" if done.faults else "rebuilt"
    lines = ["# Maintenance", "", f"- lake {escape(str(home.lake))}: {done.summary}", f"- catalog: {rebuilt}"]
    lines += [f"- leftovers removed: {len(done.removed)}", ""]
    for title, items in (("Damaged or missing", done.faults), ("Removed", done.removed)):
        if items:
            lines += [f"## {title}", "", *(f"- {escape(str(item))}" for item in items), ""]
    return "\n".join(lines)
