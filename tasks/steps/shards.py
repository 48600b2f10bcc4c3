"""Shards of a split, or of a vocabulary: the files of its rows, the unit of resuming."""

import re

from tasks.steps.spec import Spec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.manifest import FileEntry
from warehouse.lake.partition import Lake

Span = tuple[int, int]  # first row, row after the last
NAME = re.compile(r"part-(\d{8,})-(\d{8,})\.parquet")


def shards(rows: int, size: int) -> list[Span]:
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def shard_name(start: int, stop: int) -> str:
    return f"part-{start:08d}-{stop:08d}.parquet"


def resumed_shards(home: Home, step: Step[Spec], rows: int, size: int) -> dict[Span, FileEntry | None]:
    """Return what covers the rows, in order: the shards that are finished, of whatever size, with their entries, and
    shards of `size` in the gaps between."""
    done = _finished(home, step)
    spans: dict[Span, FileEntry | None] = {}
    at = 0
    while at < rows:
        if kept := [span for span in done if span[0] == at]:
            longest = max(kept)
            spans[longest] = done[longest]
        else:
            gap = min([start for start, _ in done if start > at], default=rows) - at
            spans |= {(at + start, at + stop): None for start, stop in shards(gap, size)}
        at = max(stop for _, stop in spans)
    return spans


def finished_shards(home: Home, step: Step[Spec], rows: int, size: int) -> list[FileEntry]:
    """Return the entries of all shards, in order. Raises RuntimeError where one is missing."""
    entries = resumed_shards(home, step, rows, size)
    if lost := [shard_name(*span) for span, entry in entries.items() if entry is None]:
        raise RuntimeError(
            f"shards {', '.join(lost)} of {step.partition(Lake(home)).path} vanished while the run was going: run it"
            " again"
        )
    return [entry for entry in entries.values() if entry is not None]


def _finished(home: Home, step: Step[Spec]) -> dict[Span, FileEntry]:
    partition = step.partition(Lake(home))
    with partition.store.snapshot(partition.path):
        named = [match for name in partition.store.names(partition.path) if (match := NAME.fullmatch(name))]
        entries = {(int(match[1]), int(match[2])): partition.finished(match[0]) for match in named}
    return {span: entry for span, entry in entries.items() if entry is not None}
