"""Files that a partition's tasks leave for each other, and that no manifest will list."""

from collections.abc import Iterable

from warehouse.lake import atomic, sidecars
from warehouse.lake.partition import Partition


def discard(partition: Partition, names: Iterable[str]) -> None:
    """Remove those of the files that are there, for everyone."""
    with atomic.locked(partition.path):
        for name in names:
            if entry := partition.finished(name):
                partition.store.discard(partition.path, [entry])
                (partition.path / name).unlink(missing_ok=True)
                sidecars.remove_sidecars(partition.path, [name])
