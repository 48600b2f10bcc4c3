"""Manifests as the rows of the catalog's tables."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from warehouse.keys import canonical
from warehouse.lake import Lake
from warehouse.manifest import REFUSED, Manifest

LAST = 2**31 - 1  # sorts `all` shots after every number

_CREATED = pa.timestamp("us", tz="UTC")
_INTEGERS = {"files": pa.int32(), "rows": pa.int64(), "bytes": pa.int64()}

Record = dict[str, Any]


class Index:
    """The published partitions of a lake, to be found by kind and key, and those that were refused."""

    def __init__(self, lake: Lake, manifests: Iterable[Manifest]) -> None:
        self.manifests = list(manifests)
        self.refusals = list(lake.manifests(name=REFUSED))
        both = self.manifests + self.refusals
        self._paths = {id(m): lake.of(m).path.relative_to(lake.home.lake).as_posix() for m in both}
        self._by_key: dict[tuple[str, str], list[Manifest]] = {}
        for manifest in self.manifests:
            self._by_key.setdefault((manifest.kind, manifest.key), []).append(manifest)

    def path(self, manifest: Manifest) -> str:
        return self._paths[id(manifest)]

    def parts(self, kind: str) -> Iterator[tuple[Manifest, str]]:
        """The paths of all part files of a kind, below the lake, each with its manifest."""
        for manifest in self.manifests:
            if manifest.kind == kind:
                for entry in manifest.files:
                    if entry.is_part:
                        yield manifest, f"{self.path(manifest)}/{entry.name}"

    def input(self, manifest: Manifest, role: str) -> Manifest | None:
        """The partition that was `manifest`'s input in `role` (`<kind>` or `<kind>:<which>`); where two share its key,
        the one of the same model and data set."""
        found = self._by_key.get((input_kind(role), manifest.inputs[role]), [])
        return next((m for m in found if _agree(m.coordinates, manifest.coordinates)), None)

    def examples_key(self, manifest: Manifest) -> str | None:
        """The key of the examples that a partition of one data set goes back to."""
        if manifest.kind == "examples":
            return manifest.key
        if "dataset" not in manifest.coordinates:
            return None
        waiting, seen = [manifest], set()
        while waiting:
            at = waiting.pop()
            if "examples" in at.inputs:
                return at.inputs["examples"]
            seen.add((at.kind, at.key))
            inputs = (self.input(at, role) for role in at.inputs)
            waiting += [m for m in inputs if m is not None and (m.kind, m.key) not in seen]
        return None


def input_kind(role: str) -> str:
    return role.partition(":")[0]


def partitions(index: Index) -> pa.Table:
    names = ("kind", "key", "path", "model", "dataset", "split", "method", "shots", "experiment")
    texts = ("examples_key", "created", "payload", "facts", "versions")
    schema = pa.schema([(n, pa.string()) for n in names] + list(_INTEGERS.items()) + [(n, pa.string()) for n in texts])
    return _table(schema, (_partition(index, manifest) for manifest in index.manifests))


def _partition(index: Index, manifest: Manifest) -> Record:
    return {
        "kind": manifest.kind,
        "key": manifest.key,
        "path": index.path(manifest),
        **{name: manifest.coordinates.get(name) for name in ("model", "dataset", "split", "method", "shots")},
        "experiment": manifest.coordinates.get("experiment"),
        "files": len(manifest.files),
        "rows": manifest.rows,
        "bytes": sum(entry.bytes for entry in manifest.files),
        "examples_key": index.examples_key(manifest),
        "created": manifest.created,
        **{name: canonical(getattr(manifest, name)) for name in ("payload", "facts", "versions")},
    }


def files(index: Index) -> pa.Table:
    schema = pa.schema(
        {"path": pa.string(), "partition": pa.string(), "rows": pa.int64(), "bytes": pa.int64(), "sha256": pa.string()}
    )
    return _table(
        schema,
        (
            {
                "path": str(PurePosixPath(index.path(manifest), entry.name)),
                "partition": index.path(manifest),
                "rows": entry.rows,
                "bytes": entry.bytes,
                "sha256": entry.sha256,
            }
            for manifest in index.manifests
            for entry in manifest.files
        ),
    )


def lineage(index: Index) -> pa.Table:
    names = ("partition", "kind", "key", "role", "input", "input_kind", "input_key")
    return _table(
        pa.schema([(name, pa.string()) for name in names]),
        (
            {
                **_named(index, manifest),
                "role": role,
                "input": index.path(found) if (found := index.input(manifest, role)) else None,
                "input_kind": input_kind(role),
                "input_key": key,
            }
            for manifest in index.manifests
            for role, key in manifest.inputs.items()
        ),
    )


def checks(index: Index) -> pa.Table:
    names = ("partition", "kind", "key", "model", "dataset", "name", "severity")
    flags = [("passed", pa.bool_()), ("detail", pa.string()), ("published", pa.bool_())]
    schema = pa.schema([(name, pa.string()) for name in names] + flags)
    # What was published although a check without severity failed was only told.
    return _table(
        schema,
        (
            {
                **_named(index, m),
                **{name: m.coordinates.get(name) for name in ("model", "dataset")},
                "published": published,
                "severity": "fail" if check["passed"] or not published else "warn",
                **check,
            }
            for published, manifests in ((True, index.manifests), (False, index.refusals))
            for m in manifests
            for check in m.checks
        ),
    )


def metrics(index: Index, lake: Lake) -> pa.Table:
    columns = {"split": pa.string(), "seed": pa.int32(), "metric": pa.string()}
    columns |= dict.fromkeys(("value", "low", "high", "spread"), pa.float64())
    return _figures(index, lake, "metrics", ("model", "dataset", "method", "shots"), columns)


def comparisons(index: Index, lake: Lake) -> pa.Table:
    columns = dict.fromkeys(("question", "method", "reference", "metric"), pa.string())
    columns |= dict.fromkeys(("difference", "low", "high", "p", "p_holm"), pa.float64())
    return _figures(index, lake, "comparisons", ("model", "dataset", "shots"), columns)


def diagnostics(index: Index, lake: Lake) -> pa.Table:
    columns = dict.fromkeys(("subject", "states", "similarity", "figure"), pa.string()) | {"value": pa.float64()}
    return _figures(index, lake, "diagnostics", ("model", "dataset"), columns)


def _figures(
    index: Index, lake: Lake, kind: str, coordinates: tuple[str, ...], columns: Mapping[str, pa.DataType]
) -> pa.Table:
    """The rows of all partitions of a kind, which are read whole: pages' checksums and all."""
    place = dict.fromkeys((*coordinates, "key"), pa.string())
    if "shots" in coordinates:
        place["shots_order"] = pa.int32()
    schema = pa.schema(place | dict(columns))
    tables = [schema.empty_table()]
    for manifest in (m for m in index.manifests if m.kind == kind):
        table = lake.of(manifest).table(list(columns))
        constants: Record = {name: manifest.coordinates[name] for name in coordinates}
        constants["key"] = manifest.key
        if "shots" in coordinates:
            constants["shots_order"] = shots_order(manifest.coordinates["shots"])
        for name, value in constants.items():
            table = table.append_column(name, pa.repeat(pa.scalar(value, schema.field(name).type), len(table)))
        tables.append(table.select(schema.names).cast(schema))
    return pa.concat_tables(tables)


def shots_order(shots: str) -> int:
    return int(shots) if shots.isdecimal() and int(shots) < LAST else LAST


def _named(index: Index, manifest: Manifest) -> Record:
    return {"partition": index.path(manifest), "kind": manifest.kind, "key": manifest.key}


def _agree(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys() if name in ("model", "dataset"))


def _table(schema: pa.Schema, records: Iterable[Record]) -> pa.Table:
    return pa.Table.from_pylist(list(records), schema=schema)
