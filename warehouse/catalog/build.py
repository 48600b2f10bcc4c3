"""A catalog brought up to date with the lake: tables filled from manifests, views over Parquet, macros, comments.

`build` begins with empty tables, `update` with those of an earlier catalog; from there on they are one.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.catalog import index, verified
from warehouse.catalog.copies import remote_files
from warehouse.catalog.ranged import address, filled
from warehouse.catalog.statements import SQL, quoted, statement
from warehouse.home import Home
from warehouse.lake.manifest import MANIFEST, REJECTED, Manifest
from warehouse.lake.partition import Lake
from warehouse.lake.store import Stamps, damaged_file
from warehouse.roles import Role

_READ = "hive_partitioning = true, hive_types_autocast = false, union_by_name = true"
STORAGE = "v1.2.0"  # of DuckDB's own files: older readers, such as its command line, open the catalog too
FORMAT = 2  # of what is filled in from here; the statements are counted too
_ROWS = "filename = true, file_row_number = true"

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Summary:
    """What a catalog holds."""

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
    with _written(path) as connection:
        connection.execute(statement("tables"))
        connection.execute(statement("set_state"), {"version": version(), "root": ""})
        return _refresh(connection, lake)


def update_from(lake: Lake, path: Path, earlier: Path) -> Summary:
    """Make the same catalog from an `earlier` one, which stays as it is, reading only the manifests that are new.

    Where `earlier` is missing, unreadable or of another version, it is built from the lake.
    """
    try:
        shutil.copyfile(earlier, path)
        with _written(path) as connection:
            if is_current(connection):
                return _refresh(connection, lake)
    except (FileNotFoundError, duckdb.Error):
        pass
    for file in (path, path.with_name(f"{path.name}.wal")):
        file.unlink(missing_ok=True)
    return build(lake, path)


def renew(path: Path, earlier: Path, renewed: Mapping[str, verified.Stamp]) -> None:
    """Make the same catalog from an `earlier` one, with stamps of files that are verified by now."""
    shutil.copyfile(earlier, path)
    with _written(path) as connection:
        _with(connection, "renew", renewed=verified.stamp_rows(renewed))


def fill_views(path: Path, earlier: Path, home: Home, kinds: Mapping[str, bool]) -> None:
    """Make the same catalog from an `earlier` one of a home in a bucket, with views that read the files of `kinds`,
    in place, or all of them on this machine."""
    shutil.copyfile(earlier, path)
    with _written(path) as connection, remote_files(home, connection).raising():
        _views(connection, home.lake, {**filled(connection), **kinds})


def version() -> str:
    """Return what a catalog must have been built with to be brought up to date: the hash of all statements."""
    texts = [path.read_bytes() for path in sorted(SQL.glob("*.sql"))]
    return hashlib.sha256(b"\0".join([str(FORMAT).encode(), STORAGE.encode(), *texts])).hexdigest()


def is_current(connection: Connection) -> bool:
    """Return whether the connection's catalog was built by this version."""
    try:
        return _state(connection)[0] == version()
    except duckdb.CatalogException:  # of a version that did not record its own
        return False


@contextmanager
def _written(path: Path) -> Iterator[Connection]:
    """Yield a connection to the file at `path`; then close it, reopen it and count the rows of every table.

    Closing alone ignores a full disk. Raises duckdb.Error if the file does not hold what was written.
    """
    with closing(duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE})) as connection:
        yield connection
        connection.execute(statement("checkpoint"))
        counted = _row_counts(connection)
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        if _row_counts(connection) != counted:
            raise duckdb.IOException(f"{path.name} does not read back as it was written")


def _row_counts(connection: Connection) -> dict[str, int]:
    names = connection.execute(statement("stored")).fetchall()
    return {name: len(connection.table(name)) for (name,) in names}


def _state(connection: Connection) -> tuple[str, str]:
    """Return the version that the catalog was built with, and the folder of the lake that its views read."""
    ((built_with, root),) = connection.execute(statement("state")).fetchall()
    return built_with, root


def _refresh(connection: Connection, lake: Lake) -> Summary:
    with lake.store.snapshot(lake.home.lake):
        return _refreshed(connection, lake)


def _refreshed(connection: Connection, lake: Lake) -> Summary:
    root, store, shared = lake.home.lake, lake.store, lake.home.url
    stored, current = _stored(connection), store.stamps(root)
    stale = {source for source, stamp in stored.items() if current.get(source) != stamp}
    fresh = {source: stamp for source, stamp in current.items() if stored.get(source) != stamp}
    manifests, rejected = (_manifests(lake, fresh, name) for name in (MANIFEST, REJECTED))
    for path, manifest in manifests.items():
        for entry in manifest.files:
            if fault := store.fault(root / path, entry):
                raise damaged_file(store, root / path, entry.name, fault)
    if stale:  # in a transaction of its own: DuckDB takes no key back that it deleted in the same one
        _with(connection, "remove", stale=_sources(dict.fromkeys(stale, (0, 0))))
    connection.begin()  # one transaction: one wait for the disk, not one a statement
    if stale or fresh or shared or _state(connection) != (version(), str(root)):
        _insert(connection, lake, manifests, rejected)
        _with(connection, "add_sources", fresh=_sources(fresh))
        nodes, inputs = index.resolved(_graph(connection))
        _with(connection, "resolve", nodes=nodes, inputs=inputs)
        _views(connection, root, {} if shared else None)
        connection.execute(statement("set_state"), {"version": version(), "root": shared or str(root)})
    seen = verified.verification(connection, root, copies=shared is not None)
    for name, fault in seen.damaged.items():
        file = PurePosixPath(name)
        if file.parent.as_posix() in manifests:  # what is damaged since is reported when it is read
            raise damaged_file(store, root / file.parent, file.name, fault)
    _with(connection, "renew", renewed=verified.stamp_rows(seen.renewed))
    (totals,) = connection.execute(statement("summary")).fetchall()
    connection.commit()
    return Summary(*(int(number or 0) for number in totals))


def _stored(connection: Connection) -> Stamps:
    rows = connection.execute(statement("sources")).fetchall()
    return {(partition, file): (size, written) for partition, file, size, written in rows}


def _sources(stamps: Stamps) -> pa.Table:
    names = ("partition", "file", "size", "written")
    rows = [dict(zip(names, (*source, *stamp), strict=True)) for source, stamp in stamps.items()]
    types = (pa.string(), pa.string(), pa.int64(), pa.int64())
    return pa.Table.from_pylist(rows, pa.schema(list(zip(names, types, strict=True))))


def _manifests(lake: Lake, sources: Stamps, name: str) -> dict[str, Manifest]:
    """Return {path of the partition: manifest} of these sources, what was removed meanwhile aside."""
    paths = (path for path, file in sources if file == name)
    read = ((path, lake.manifest_in(lake.home.lake / path, name)) for path in paths)
    return {path: manifest for path, manifest in read if manifest}


def _insert(
    connection: Connection, lake: Lake, manifests: Mapping[str, Manifest], rejected: Mapping[str, Manifest]
) -> None:
    for name in index.FILLED:
        schema = connection.table(name).to_arrow_table().schema
        connection.register("filling", index.index_rows(name, lake, manifests, rejected, schema))
        connection.execute(statement("insert_rows").format(table=name))
        connection.unregister("filling")


def _graph(connection: Connection) -> index.Graph:
    rows = connection.execute(statement("nodes")).fetchall()
    return index.Graph(
        index.Node(path, kind, key, created, {Role(of, which): input_key for of, which, input_key in inputs})
        for path, kind, key, created, inputs in rows
    )


def _views(connection: Connection, root: Path, kinds: Mapping[str, bool] | None = None) -> None:
    """Replace what is derived: the tables from facts, the views over files (of some kinds, or all), and those over them
    where their columns are others; all comments."""
    connection.execute(statement("fill"))
    connection.execute("".join(_comments(statement("tables") + statement("fill"))))
    before = None if kinds is not None else connection.execute(statement("columns_of_files")).fetchall()
    connection.execute(statement("lake"))
    for name, scan in _scans(connection, root, kinds):
        connection.execute(statement("view_of_files").format(name=name, files=scan))
    if before is None or connection.execute(statement("columns_of_files")).fetchall() != before:
        for name in ("views", "results", "ranks", "costs", "studies", "defaults"):
            connection.execute(statement(name))
    for (comment,) in connection.execute(statement("columns")).fetchall():
        connection.execute(comment)


def _with(connection: Connection, name: str, **tables: Any) -> None:
    """Run the statements of a file over Arrow tables registered by these names."""
    for table, rows in tables.items():
        connection.register(table, rows)
    connection.execute(statement(name))
    for table in tables:
        connection.unregister(table)


def _comments(sql: str) -> Iterator[str]:
    """Yield statements for the comments behind columns of tables: `name type,  -- comment` or `… as name,  -- …`."""
    for table, body in re.findall(r"^create (?:or replace )?table (\w+) (.*?;)$", sql, re.MULTILINE | re.DOTALL):
        for column, text in re.findall(r"^    (?:(?:(?!  -- ).)* as )?(\w+).*?  -- (.+)$", body, re.MULTILINE):
            yield f"comment on column {table}.{column} is {quoted(text)};"


def _scans(connection: Connection, root: Path, kinds: Mapping[str, bool] | None) -> Iterator[tuple[str, str]]:
    """Yield the views of schema lake that have files, each with the scan of its files. kinds: whether their large files
    are read in place; None for those of a local home."""
    of_kind: dict[str, list[str]] = {}
    of_layer: dict[tuple[int, str, str, bool], list[str]] = {}
    for kind, path, layers, pooling, _, size, *_ in connection.execute(statement("parts")).fetchall():
        if kinds is not None and kind not in kinds:
            continue
        location = (address(path, kind, size) if kinds and kinds[kind] else None) or f"{root}/{path}"
        of_kind.setdefault(kind, []).append(location)
        for layer in layers or []:  # 18, or 18:mean
            number, _, own = layer.partition(":")
            column = f"layer_{layer}".replace(":", "_")
            of_layer.setdefault((int(number), own or pooling or "last", column, layer == layers[-1]), []).append(
                location
            )
    for kind, paths in of_kind.items():
        scan = _scan(paths, _ROWS)
        yield kind, scan if kind == "anchors" else statement(f"{kind}_of_files").format(files=scan)
    if of_layer:
        selects = [
            statement("layer_of_files").format(
                number=number, pooling=pooling, column=column, last=last, files=_scan(paths)
            )
            for (number, pooling, column, last), paths in sorted(of_layer.items())
        ]
        yield "layer_states", f"({' union all '.join(selects)})"


def _scan(paths: list[str], *options: str) -> str:
    return f"read_parquet([{', '.join(map(quoted, paths))}], {', '.join((_READ, *options))})"
