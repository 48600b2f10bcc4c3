"""Shards of a split: the files of its states, the unit of resuming."""

from tasks.steps.specs import StatesSpec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.manifest import FileEntry
from warehouse.lake.partition import Lake


def shards(rows: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def shard_name(start: int, stop: int) -> str:
    return f"part-{start:08d}-{stop:08d}.parquet"


def finished(home: Home, step: Step[StatesSpec], start: int, stop: int) -> FileEntry | None:
    return step.partition(Lake(home)).finished(shard_name(start, stop))
