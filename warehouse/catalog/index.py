"""Manifests as the rows of the catalog's tables."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from warehouse.lake.keys import canonical
from warehouse.lake.manifest import REJECTED, Manifest
from warehouse.lake.partition import Lake

LAST = 2**31 - 1  # sorts `all` shots after every number

Record = dict[str, Any]


class Index:
    """The published partitions of a lake, to be found by kind and key, and those that were refused."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.manifests = list(lake.manifests())
        self.refusals = list(lake.manifests(name=REJECTED))
        both = self.manifests + self.refusals
        self._paths = {id(m): lake.of(m).path.relative_to(lake.home.lake).as_posix() for m in both}
        self._by_key: dict[tuple[str, str], list[Manifest]] = {}
        for manifest in self.manifests:
            self._by_key.setdefault((manifest.kind, manifest.key), []).append(manifest)
        self._latest = self._find_latest()

    def of_kind(self, kind: str) -> Iterator[Manifest]:
        return (manifest for manifest in self.manifests if manifest.kind == kind)

    def path(self, manifest: Manifest) -> str:
        """The partition's folder, below the lake."""
        return self._paths[id(manifest)]

    def parts(self, manifest: Manifest) -> list[str]:
        """The paths of a partition's part files, below the lake."""
        return [f"{self.path(manifest)}/{entry.name}" for entry in manifest.files if entry.is_part]

    def input(self, manifest: Manifest, role: str) -> Manifest | None:
        """The partition that was `manifest`'s input in `role` (`<kind>` or `<kind>:<which>`); where two share its key,
        the one of the same model and data set."""
        found = self._by_key.get((_kind(role), manifest.inputs[role]), [])
        return next((m for m in found if _agree(m.coordinates, manifest.coordinates)), None)

    def examples_key(self, manifest: Manifest) -> str | None:
        """The key of the examples that a partition of one data set goes back to."""
        if manifest.kind == "examples":
            return manifest.key
        if "dataset" not in manifest.coordinates:
            return None
        return next((m.inputs["examples"] for m in self._behind([manifest]) if "examples" in m.inputs), None)

    def latest(self, manifest: Manifest) -> bool:
        """Whether the latest run of an experiment goes back to the partition; where no run goes back to any with its
        coordinates, whether it is the newest of them."""
        return id(manifest) in self._latest

    def _find_latest(self) -> set[int]:
        def place(manifest: Manifest) -> tuple[Any, ...]:
            return manifest.kind, *manifest.coordinates.items()

        by_key = sorted(self.manifests, key=lambda m: m.key, reverse=True)
        by_age = sorted(by_key, key=lambda m: datetime.fromisoformat(m.created).timestamp())
        newest = {place(manifest): manifest for manifest in by_age}
        in_runs = {place(manifest) for manifest in self._behind(self.of_kind("runs"))}
        last_runs = (manifest for manifest in newest.values() if manifest.kind == "runs")
        of_no_run = (manifest for where, manifest in newest.items() if where not in in_runs)
        return {id(manifest) for manifest in (*self._behind(last_runs), *of_no_run)}

    def _behind(self, manifests: Iterable[Manifest]) -> Iterator[Manifest]:
        """The partitions that these go back to, with themselves; weights have their predictions' key."""
        waiting, seen = list(manifests), set[int]()
        while waiting:
            at = waiting.pop()
            if id(at) not in seen:
                seen.add(id(at))
                yield at
                inputs = (self.input(at, role) for role in at.inputs)
                waiting += [m for m in inputs if m is not None] + self._by_key.get(("calibrators", at.key), [])


def table(name: str, index: Index, schema: pa.Schema) -> pa.Table:
    """All rows of the table `name`, which has the columns of `schema`; what a record does not name is NULL."""
    if name in _RECORDS:
        return pa.Table.from_pylist(list(_RECORDS[name](index)), schema)
    return pa.concat_tables([schema.empty_table(), *(_figures(index, m, schema) for m in index.of_kind(name))])


def _partitions(index: Index) -> Iterator[Record]:
    for manifest in index.manifests:
        yield {
            **manifest.coordinates,
            "kind": manifest.kind,
            "key": manifest.key,
            "path": index.path(manifest),
            "files": len(manifest.files),
            "rows": manifest.rows,
            "bytes": sum(entry.bytes for entry in manifest.files),
            "examples_key": index.examples_key(manifest),
            "created": datetime.fromisoformat(manifest.created),
            "latest": index.latest(manifest),
            **{name: canonical(getattr(manifest, name)) for name in ("payload", "facts", "versions")},
        }


def _files(index: Index) -> Iterator[Record]:
    for manifest in index.manifests:
        folder = index.path(manifest)
        for entry in manifest.files:
            yield {**asdict(entry), "path": str(PurePosixPath(folder, entry.name)), "partition": folder}


def _lineage(index: Index) -> Iterator[Record]:
    for manifest in index.manifests:
        for role, key in manifest.inputs.items():
            found = index.input(manifest, role)
            yield {
                **_named(index, manifest),
                "role": role,
                "input": index.path(found) if found else None,
                "input_kind": _kind(role),
                "input_key": key,
            }


def _checks(index: Index) -> Iterator[Record]:
    for published, manifests in ((True, index.manifests), (False, index.refusals)):
        for manifest in manifests:
            for check in manifest.checks:
                # What was published although a check without severity failed was only told.
                severity = "fail" if check["passed"] or not published else "warn"
                found = {"severity": severity, **check, "published": published}
                yield {**manifest.coordinates, **_named(index, manifest), **found}


_RECORDS: Mapping[str, Callable[[Index], Iterable[Record]]] = {
    "partitions": _partitions,
    "files": _files,
    "lineage": _lineage,
    "checks": _checks,
}
FILLED = (*_RECORDS, "metrics", "comparisons", "diagnostics")


def _figures(index: Index, manifest: Manifest, schema: pa.Schema) -> pa.Table:
    """The rows of a partition, which is read whole, pages' checksums and all; its coordinates are columns too."""
    constants: Record = {"key": manifest.key, "latest": index.latest(manifest), **manifest.coordinates}
    if "shots" in constants:
        constants["shots_order"] = shots_order(constants["shots"])
    found = index.lake.of(manifest).table([name for name in schema.names if name not in constants])
    for name, value in constants.items():
        found = found.append_column(name, pa.repeat(pa.scalar(value, schema.field(name).type), len(found)))
    return found.select(schema.names).cast(schema)


def shots_order(shots: str) -> int:
    return int(shots) if shots.isdecimal() and int(shots) < LAST else LAST


def _kind(role: str) -> str:
    return role.partition(":")[0]


def _named(index: Index, manifest: Manifest) -> Record:
    return {"partition": index.path(manifest), "kind": manifest.kind, "key": manifest.key}


def _agree(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys() if name in ("model", "dataset"))
