"""Manifests as rows of the catalog's tables, and what follows from all of them together."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from warehouse.lake.keys import canonical
from warehouse.lake.manifest import Manifest
from warehouse.lake.partition import Lake
from warehouse.roles import Role, by_role

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Node:
    """One published partition in the graph of what was computed from what."""

    path: str
    """Its folder, below the lake."""
    kind: str
    key: str
    created: int
    """Microseconds since 1970."""
    inputs: dict[Role, str]
    """Keys of the partitions it was computed from, by role."""

    @cached_property
    def coordinates(self) -> dict[str, str]:
        """Its coordinates, which its path spells."""
        named = (name.partition("=") for name in self.path.split("/")[1:-1])
        return {name: value for name, _, value in named}


class Graph:
    """All published partitions, linked by the inputs that each was computed from."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = sorted(nodes, key=lambda node: node.path)
        self._by_key: dict[tuple[str, str], list[Node]] = {}
        for node in self.nodes:
            self._by_key.setdefault((node.kind, node.key), []).append(node)
        self.latest = self._find_latest()
        """Paths of what the latest run of an experiment goes back to; and, where no run goes back to any with the same
        coordinates, of the newest with them."""

    def input(self, node: Node, role: Role) -> Node | None:
        """Return the partition that was the node's input in `role`; where two share its key, the one of the same model
        and data set."""
        candidates = self._by_key.get((role.kind, node.inputs[role]), [])
        return next((other for other in candidates if _agree(other.coordinates, node.coordinates)), None)

    def examples_key(self, node: Node) -> str | None:
        """Return the key of the examples from which a partition of one data set was computed."""
        if node.kind == "examples":
            return node.key
        if "dataset" not in node.coordinates:
            return None
        keys = (each.inputs.get(Role("examples")) for each in self._behind([node]))
        return next(filter(None, keys), None)

    def _find_latest(self) -> set[str]:
        def identity(node: Node) -> tuple[Any, ...]:
            return node.kind, *node.coordinates.items()

        by_key = sorted(self.nodes, key=lambda node: node.key, reverse=True)
        newest = {identity(node): node for node in sorted(by_key, key=lambda node: node.created)}
        in_runs = {identity(node) for node in self._behind(node for node in self.nodes if node.kind == "runs")}
        last_runs = (node for node in newest.values() if node.kind == "runs")
        of_no_run = (node for name, node in newest.items() if name not in in_runs)
        return {node.path for node in (*self._behind(last_runs), *of_no_run)}

    def _behind(self, nodes: Iterable[Node]) -> Iterator[Node]:
        """Yield the partitions that these go back to, with themselves; weights of earlier versions lie in a partition
        of their own, with their predictions' key."""
        waiting, seen = list(nodes), set[str]()
        while waiting:
            node = waiting.pop()
            if node.path not in seen:
                seen.add(node.path)
                yield node
                inputs = (self.input(node, role) for role in sorted(node.inputs))
                waiting += [other for other in inputs if other is not None]
                waiting += self._by_key.get(("calibrators", node.key), [])


def resolved(graph: Graph) -> tuple[pa.Table, pa.Table]:
    """Return what follows from the whole graph: of each partition whether it is the latest and its examples, and of
    each of its inputs the path."""
    nodes = [
        {"path": node.path, "latest": node.path in graph.latest, "examples_key": graph.examples_key(node)}
        for node in graph.nodes
    ]
    inputs = [
        {"partition": node.path, "role": str(role), "input": other.path if other else None}
        for node in graph.nodes
        for role in node.inputs
        for other in [graph.input(node, role)]
    ]
    text = pa.string()
    of_node = pa.schema([("path", text), ("latest", pa.bool_()), ("examples_key", text)])
    of_input = pa.schema([("partition", text), ("role", text), ("input", text)])
    return pa.Table.from_pylist(nodes, of_node), pa.Table.from_pylist(inputs, of_input)


def index_rows(
    name: str, lake: Lake, manifests: Mapping[str, Manifest], rejected: Mapping[str, Manifest], schema: pa.Schema
) -> pa.Table:
    """Return the rows of the table `name`, which has the columns of `schema`, of partitions by their paths.

    What follows from the whole lake is NULL or false until `resolved`.
    """
    if name == "checks":
        return pa.Table.from_pylist([*_checks(manifests, True), *_checks(rejected, False)], schema)
    if name in _RECORDS:
        return pa.Table.from_pylist([row for path, m in manifests.items() for row in _RECORDS[name](path, m)], schema)
    of_kind = (manifest for manifest in manifests.values() if manifest.kind == name)
    return pa.concat_tables([schema.empty_table(), *(_values(lake, manifest, schema) for manifest in of_kind)])


def _partition(path: str, manifest: Manifest) -> Iterator[Record]:
    yield {
        **manifest.coordinates,
        "kind": manifest.kind,
        "key": manifest.key,
        "path": path,
        "files": len(manifest.files),
        "rows": manifest.rows,
        "bytes": sum(entry.bytes for entry in manifest.files),
        "created": datetime.fromisoformat(manifest.created),
        "latest": False,
        **{name: canonical(getattr(manifest, name)) for name in ("payload", "versions")},
        "facts": json.dumps(manifest.facts, separators=(",", ":"), ensure_ascii=False),  # names follow params' order
    }


def _files(path: str, manifest: Manifest) -> Iterator[Record]:
    for entry in manifest.files:
        yield {**asdict(entry), "path": str(PurePosixPath(path, entry.name)), "partition": path}


def _lineage(path: str, manifest: Manifest) -> Iterator[Record]:
    for role, key in by_role(manifest.inputs).items():
        own = {"partition": path, "kind": manifest.kind, "key": manifest.key, "role": str(role)}
        yield {**own, "input_kind": role.kind, "which": role.which or None, "input_key": key}


_RECORDS: Mapping[str, Callable[[str, Manifest], Iterable[Record]]] = {
    "partitions": _partition,
    "files": _files,
    "lineage": _lineage,
}
STORED = {"diagnostics": {"metric": "figure"}}  # columns that files have by other names
FILLED = (*_RECORDS, "checks", "metrics", "comparisons", "diagnostics", "study_values", "study_items")


def _checks(manifests: Mapping[str, Manifest], published: bool) -> Iterator[Record]:
    for path, manifest in manifests.items():
        for check in manifest.checks:
            # What was published although a check without severity failed was only a warning.
            severity = "fail" if check["passed"] or not published else "warn"
            own = {"partition": path, "kind": manifest.kind, "key": manifest.key, "published": published}
            yield {**manifest.coordinates, "severity": severity, **check, **own}


def _values(lake: Lake, manifest: Manifest, schema: pa.Schema) -> pa.Table:
    """Return the rows of a partition, read whole, pages' checksums and all; its coordinates are columns too."""
    stored = STORED.get(manifest.kind, {})
    constants: Record = {"key": manifest.key, "latest": False, **manifest.coordinates}
    if "shots" in constants:
        constants["shots_order"] = shots_order(constants["shots"])
    names = [name for name in schema.names if name not in constants]
    table = lake.of(manifest).table([stored.get(name, name) for name in names]).rename_columns(names)
    for name, value in constants.items():
        table = table.append_column(name, pa.repeat(pa.scalar(value, schema.field(name).type), len(table)))
    return table.select(schema.names).cast(schema)


def shots_order(shots: str) -> float:
    """Return shots as a number to sort by, infinite for `all`."""
    return float(shots) if shots.isdecimal() else math.inf


def _agree(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys() if name in ("model", "dataset"))
