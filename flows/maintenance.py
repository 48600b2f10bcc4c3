"""`maintenance`: the lake verified, leftovers removed, the warehouse made anew, and a page that says so."""

from typing import Annotated

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.execution.progress import progress
from tasks.maintenance import rebuild_catalog, sweep_lake, verify_lake
from warehouse.errors import CorruptPartition
from warehouse.home import Home
from warehouse.lake.manifest import partition_folders
from warehouse.lake.verify import summary


@flow(name="maintenance", log_prints=True)
def maintenance(hours: Annotated[float, Field(ge=0)] = 24.0, home: str | None = None) -> str:
    """Compare every published byte with its manifest, remove what crashes left behind, rebuild the warehouse.

    Raises CorruptPartition where something is damaged, after the page that lists it; then the warehouse is as it was.

    Args:
        hours: Leftovers younger than this stay: a run may still be writing them.
        home: Where data rests; the worker's own home if empty.
    """
    place = Home.find(home)
    folders = sum(1 for _ in partition_folders(place.lake))
    with progress("partitions verified", folders) as advance:
        seen = verify_lake(place, advance)
    removed = sweep_lake(place, hours)
    faults = [fault for one in seen for fault in one.faults]
    if not faults:
        rebuild_catalog(place)
    said = summary(seen)
    create_markdown_artifact(_page(place, said, faults, removed), key="maintenance", description=said)
    if faults:
        raise CorruptPartition(f"{said} in {place.lake}; {faults[0]}. `vocabsem warehouse verify` lists all")
    return said


def _page(home: Home, said: str, faults: list[str], removed: list[str]) -> str:
    rebuilt = "not rebuilt, because of what is damaged" if faults else "rebuilt"
    lines = ["# Maintenance", "", f"- lake `{home.lake}`: {said}", f"- warehouse: {rebuilt}"]
    lines += [f"- leftovers removed: {len(removed)}", ""]
    for title, found in (("Damaged or missing", faults), ("Removed", removed)):
        if found:
            lines += [f"## {title}", "", *(f"- {line}" for line in found), ""]
    return "\n".join(lines)
