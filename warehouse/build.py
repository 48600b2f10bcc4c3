"""A catalog built from nothing: tables filled from manifests, views over Parquet, macros, comments."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse import parts, rows
from warehouse.lake import Lake
from warehouse.manifest import Manifest

SQL = Path(__file__).parent / "sql"

_READ = "hive_partitioning = true, hive_types_autocast = false, union_by_name = true"
STORAGE = "v1.2.0"  # of DuckDB's own files: older readers, such as its command line, open the catalog too
_PLACES = "filename = true, file_row_number = true"


@dataclass(frozen=True)
class Summary:
    """What a rebuilt catalog holds."""

    partitions: int
    rows: int
    bytes: int
    """Of the lake's files."""

    def __str__(self) -> str:
        return f"{self.partitions} partitions, {self.rows:,} rows, {self.bytes / 1e6:,.1f} MB"


def build(lake: Lake, path: Path) -> Summary:
    """Make a catalog of everything published in `lake` at `path`, where no file is yet.

    Raises CorruptPartition for a published partition that is damaged, duckdb.Error if `path` cannot be written.
    """
    index = rows.Index(lake, lake.manifests())
    for manifest in index.manifests:
        folder = lake.of(manifest).path
        for entry in manifest.files:
            if fault := parts.fault(folder, entry):
                raise parts.damaged(folder / entry.name, fault)
    filled = {
        "partitions": rows.partitions(index),
        "files": rows.files(index),
        "lineage": rows.lineage(index),
        "checks": rows.checks(index),
        "metrics": rows.metrics(index, lake),
        "comparisons": rows.comparisons(index, lake),
        "diagnostics": rows.diagnostics(index, lake),
    }
    with closing(duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE})) as connection:
        connection.begin()  # one transaction: one wait for the disk, not one a statement
        _run(connection, "tables")
        for name, table in filled.items():
            connection.register("filling", table)
            connection.execute(f"insert into {name} by name from filling")
            connection.unregister("filling")
        _run(connection, "fill")
        _run(connection, "lake")
        for name, scan in _scans(index, lake.home.lake):
            connection.execute(f"create or replace view lake.{name} as {scan}")
        _run(connection, "views")
        _run(connection, "analyses")
        _run(connection, "ask")
        for layer in sorted({layer for manifest in index.manifests for layer in _layers(manifest)}):
            connection.execute(f"comment on column states.layer_{layer} is 'State of layer {layer}.'")
        connection.commit()
    partitions = filled["partitions"]
    return Summary(len(partitions), sum(partitions["rows"].to_pylist()), sum(partitions["bytes"].to_pylist()))


def quoted(text: str) -> str:
    """`text` as an SQL string, for the places that take no bound value."""
    return "'" + text.replace("'", "''") + "'"


def _run(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    connection.execute((SQL / f"{name}.sql").read_text(encoding="utf-8"))


def _scans(index: rows.Index, root: Path) -> Iterator[tuple[str, str]]:
    """The views of schema lake that have files, each with its query."""
    for kind in ("examples", "states", "anchors", "predictions"):
        paths = [root / path for _, path in index.parts(kind)]
        if paths:
            yield kind, f"select * from {_scan(paths, _PLACES)}"  # noqa: S608  (paths are quoted)
    of_layer: dict[tuple[int, bool], list[Path]] = {}
    for manifest, path in index.parts("states"):
        for layer in (layers := _layers(manifest)):
            of_layer.setdefault((layer, layer == max(layers)), []).append(root / path)
    if of_layer:
        # Columns carry their table's name: DuckDB 2.0 takes bare ones for the parameters of a macro over the view.
        columns = ", ".join(f"f.{name}" for name in ("model", "dataset", "split", "id", "key"))
        selects = [
            f"select {columns}, {layer} as layer, {last} as last, "  # noqa: S608
            f"f.layer_{layer}::float[] as state from {_scan(paths)} f"
            for (layer, last), paths in sorted(of_layer.items())
        ]
        yield "layer_states", " union all ".join(selects)


def _scan(paths: list[Path], *options: str) -> str:
    return f"read_parquet([{', '.join(quoted(str(path)) for path in paths)}], {', '.join((_READ, *options))})"


def _layers(manifest: Manifest) -> list[int]:
    """The layers of a states partition, as its facts tell them."""
    return [int(layer) for layer in manifest.facts.get("layers", [])] if manifest.kind == "states" else []
