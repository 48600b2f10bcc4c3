"""A home in order: every byte compared with its manifest, leftovers removed."""

from dataclasses import dataclass
from datetime import timedelta

from tasks.steps.decorator import step_task
from tasks.steps.progress import ProgressFile
from warehouse.home import Home
from warehouse.lake.gc import sweep
from warehouse.lake.verify import verification_summary, verify


@dataclass(frozen=True)
class Maintained:
    """What was verified and removed."""

    summary: str
    """Partitions, files and bytes that were read, in a line."""
    faults: list[str]
    """What differs from its manifest."""
    removed: list[str]
    """Paths of leftovers."""


@step_task(task_run_name="verify and sweep the lake")
def verify_and_sweep(home: Home, hours: float, progress: ProgressFile) -> Maintained:
    """Re-hash every published file, then remove what no manifest lists and was not modified for `hours`.

    What is damaged is reported, never touched.
    """
    seen = []
    for partition in verify(home):
        seen.append(partition)
        progress.advance(1)
    removed = [str(path) for path in sweep(home, timedelta(hours=hours))]
    return Maintained(verification_summary(seen), [fault for partition in seen for fault in partition.faults], removed)
