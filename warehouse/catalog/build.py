"""A catalog built from nothing: tables filled from manifests, views over Parquet, macros, comments."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.catalog import index
from warehouse.catalog.statements import quoted, statement
from warehouse.lake import files
from warehouse.lake.partition import Lake

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
    lake_index = index.Index(lake)
    for manifest in lake_index.manifests:
        for entry in manifest.files:
            files.require(lake.of(manifest).path, entry)
    with closing(duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE})) as connection:
        connection.begin()  # one transaction: one wait for the disk, not one a statement
        tables = _run(connection, "tables")
        for name in index.FILLED:
            connection.register(
                "filling", index.table(name, lake_index, connection.table(name).to_arrow_table().schema)
            )
            connection.execute(statement("insert_rows").format(table=name))
            connection.unregister("filling")
        for comment in _comments(tables + _run(connection, "fill")):
            connection.execute(comment)
        _run(connection, "lake")
        for name, scan in _scans(lake_index, lake.home.lake):
            connection.execute(statement("view_of_files").format(name=name, files=scan))
        for name in ("views", "analyses", "ask"):
            _run(connection, name)
        for (comment,) in connection.execute(statement("columns")).fetchall():
            connection.execute(comment)
        (found,) = connection.execute(statement("summary")).fetchall()
        connection.commit()
    return Summary(*(int(number or 0) for number in found))


def _run(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    connection.execute(statement(name))
    return statement(name)


def _comments(sql: str) -> Iterator[str]:
    """What stands behind the columns of tables, `name type,  -- what it holds` or `… as name,  -- …`, as statements."""
    for table, body in re.findall(r"^create table (\w+) (.*?;)$", sql, re.MULTILINE | re.DOTALL):
        for column, text in re.findall(r"^    (?:(?:(?!  -- ).)* as )?(\w+).*?  -- (.+)$", body, re.MULTILINE):
            yield f"comment on column {table}.{column} is {quoted(text)}"


def _scans(index: index.Index, root: Path) -> Iterator[tuple[str, str]]:
    """The views of schema lake that have files, each with its query."""
    for kind in ("examples", "states", "anchors", "predictions"):
        if paths := [root / path for manifest in index.of_kind(kind) for path in index.parts(manifest)]:
            yield kind, _scan(paths, _PLACES)
    of_layer: dict[tuple[int, bool], list[Path]] = {}
    for manifest in index.of_kind("states"):
        layers = [int(layer) for layer in manifest.facts.get("layers", [])]
        for layer in layers:
            paths = [root / path for path in index.parts(manifest)]
            of_layer.setdefault((layer, layer == max(layers)), []).extend(paths)
    if of_layer:
        selects = [
            statement("layer_of_files").format(layer=layer, last=last, files=_scan(paths))
            for (layer, last), paths in sorted(of_layer.items())
        ]
        yield "layer_states", f"({' union all '.join(selects)})"


def _scan(paths: list[Path], *options: str) -> str:
    return f"read_parquet([{', '.join(quoted(str(path)) for path in paths)}], {', '.join((_READ, *options))})"
