"""The catalog: one DuckDB file of small tables, and of views over the lake's Parquet; one writer of it at a time.

It holds nothing that the lake does not: `update` and `rebuild` write a file beside the old one and swap it in, so that
readers never wait and never see half of it.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import duckdb
import pyarrow as pa

from warehouse.catalog import sandbox
from warehouse.catalog.build import Summary, build, fill_views, is_current, renew, update_from
from warehouse.catalog.copies import bring, remote_files
from warehouse.catalog.statements import quoted, statement
from warehouse.catalog.verified import verification
from warehouse.errors import CorruptPartition, NoSpace, NotPublished, QueryRefused, UnreadableCatalog, WarehouseError
from warehouse.home import Home
from warehouse.lake import atomic, files
from warehouse.lake.lease import FILES, lease
from warehouse.lake.partition import Lake
from warehouse.lake.store import store_of

if TYPE_CHECKING:
    from warehouse.catalog.remote import RemoteFiles

T = TypeVar("T")
REBUILD = "vocabsem warehouse rebuild"
SPILL = 4  # times the memory limit, on disk
LEASE = "warehouse.lease"  # of the catalog's one writer


@dataclass(frozen=True)
class SchemaColumn:
    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class SchemaTable:
    """A table, view or macro; a macro's columns are its parameters."""

    name: str
    kind: str
    comment: str
    columns: list[SchemaColumn]


def rebuild(home: Home, timeout: float = 60.0) -> Summary:
    """Build the catalog from the lake's manifests and put it in the old one's place.

    Raises WriterBusy if another process writes it for more than `timeout` seconds, CorruptPartition for a published
    partition that is damaged, NoSpace.
    """
    return _write(home, timeout, lambda path: build(Lake(home), path))


def update(home: Home, timeout: float = 60.0) -> Summary:
    """Bring the catalog up to date with what was published, rejected and removed since it was written.

    Gives the rows that `rebuild` gives; rebuilds where there is no catalog, or none of this version. Looks only at
    files that are new: damage to others is found by `rebuild` and `verify`. Raises what `rebuild` raises.
    """
    return _write(home, timeout, lambda path: update_from(Lake(home), path, home.catalog))


def _write(home: Home, timeout: float, make: Callable[[Path], T], shared: bool = True) -> T:
    """Put what `make` makes in the catalog's place; shared: for all who read the bucket of a home, too."""

    def waiting(owner: str) -> None:
        sys.stderr.write(f"waiting for {owner}, which writes the catalog\n")

    store = store_of(home)
    with ExitStack() as stack:
        for leases in (store.leases, FILES) if shared and home.url else (FILES,):
            stack.enter_context(lease(home.root / LEASE, timeout=timeout, waiting=waiting, by=leases))
        if shared:
            store.pull(home.catalog)
        for left in home.root.glob(f"{home.catalog.name}{atomic.TEMPORARY}*"):  # by writers that were killed
            left.unlink()
        try:
            with atomic.translate_os_errors(home.catalog, 0), atomic.replaced(home.catalog) as temporary:
                try:
                    made = make(temporary)
                finally:
                    temporary.with_name(f"{temporary.name}.wal").unlink(missing_ok=True)
            if shared:
                store.push(home.catalog)
            return made
        except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException) as error:
            full = next((os.strerror(number) for number in atomic.FULL if os.strerror(number) in str(error)), None)
            reason, fix = full or files.first_line(error), "free some space" if full else "make the folder writable"
            raise NoSpace(
                f"cannot write the catalog in {home.root}: {reason}: {fix}, or choose another home with --home or"
                f" VOCABSEM_HOME; what is finished is kept, and `{REBUILD}` reads it"
            ) from error
        except (duckdb.Error, pa.ArrowException, KeyError, NotPublished) as error:
            raise WarehouseError(
                f"{home.lake} holds what this version does not write ({files.first_line(error)}): remove the "
                "partitions of another version, or give this one a home of its own with --home or VOCABSEM_HOME"
            ) from error


def connect(home: Home, memory: int | None = None, sql: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the catalog as it is now: read-only, confined to the published files that are sound, its settings locked.

    For SQL of our own; a user's goes through `query`. memory: bytes that DuckDB's operators may use.
    sql: what will be run: of a home in a bucket only the files that it needs are brought.
    A catalog of another version is rebuilt first. Raises
    NotPublished if there is no catalog, and then what `rebuild` raises.
    """
    return _connect(home, memory, sql)[0]


def _connect(home: Home, memory: int | None, sql: str | None) -> tuple[duckdb.DuckDBPyConnection, "RemoteFiles | None"]:
    store_of(home).pull(home.catalog, alone=lease(home.root / LEASE, timeout=60, by=FILES))
    if not home.catalog.exists():
        raise NotPublished(f"there is no catalog in {home}: run `vocabsem run CARD`, or `{REBUILD}` over a lake")
    connection = _attach(home, memory)
    try:
        if not is_current(connection):
            connection.close()
            update(home)
            connection = _attach(home, memory)
        while True:
            while home.url and (kinds := bring(home, connection, sql)):  # again where another process replaced it
                connection.close()
                _write(home, 60, partial(fill_views, earlier=home.catalog, home=home, kinds=kinds), shared=False)
                connection = _attach(home, memory)
            seen = verification(connection, home.lake, copies=home.url is not None)
            if not seen.removed:
                break
        ranged = remote_files(home, connection) if home.url else None
        paths = [f"{home.lake}/{path}" for path in seen.sound]
        sandbox.confine(connection, [*paths, *(ranged.addresses if ranged else ())])
    except duckdb.Error as error:
        connection.close()
        raise _unreadable(home, error) from error
    except WarehouseError:
        connection.close()
        raise
    if seen.renewed:
        with suppress(WarehouseError):  # of a home that cannot be written: then they are verified at each opening
            _write(home, 0, lambda path: renew(path, home.catalog, seen.renewed), shared=False)
    return connection, ranged


def _attach(home: Home, memory: int | None) -> duckdb.DuckDBPyConnection:
    spill = Path(tempfile.gettempdir()) / f"vocabsem-{os.getpid()}-{uuid4().hex[:8]}"
    limits = {"memory_limit": f"{memory}B", "max_temp_directory_size": f"{SPILL * memory}B"} if memory else {}
    # A database in memory, for each connection its own: the file itself is attached, and may be replaced meanwhile.
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": str(spill),
            **limits,
        }
    )
    try:
        connection.execute(statement("attach").format(catalog=quoted(str(home.catalog))))
    except duckdb.Error as error:
        connection.close()
        raise _unreadable(home, error) from error
    return connection


def _unreadable(home: Home, error: duckdb.Error) -> UnreadableCatalog:
    reason = files.first_line(error)
    return UnreadableCatalog(f"{home.catalog} cannot be opened ({reason}): run `{REBUILD}` to build it from the lake")


def query(
    home: Home, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None, memory: int | None = None
) -> pa.Table:
    """Return the rows of one SELECT, its values bound from `parameters` (`$name`, or `?` in order).

    Without a limit of time, and with none on the memory of functions: `limited.limited_query` has both.

    Raises QueryRefused for anything else and for SQL that fails, CorruptPartition if a file behind a view is not what
    was published, NotPublished if there is no catalog.
    """
    connection, ranged = _connect(home, memory, sql)
    with closing(connection):
        sandbox.check(connection, sql)
        try:
            with ranged.raising() if ranged else nullcontext():
                return connection.sql(sql, params=parameters).to_arrow_table()
        except (duckdb.Error, RuntimeError) as error:
            damaged = verification(connection, home.lake, copies=home.url is not None).damaged
            for path, fault in damaged.items():
                raise CorruptPartition(
                    f"{home.lake / path} is not as it was published ({fault}): remove its folder, run `{REBUILD}`, and"
                    " run the experiment again, which computes it anew"
                ) from error
            if type(error) is duckdb.Error or isinstance(error, duckdb.IOException | duckdb.FatalException):
                raise _unreadable(home, error) from error
            if isinstance(error, duckdb.PermissionException) and str(home.lake) not in str(error):
                raise QueryRefused(
                    f"{files.first_line(error)}: files outside {home.lake} are out of reach; if the home was moved, run"
                    f" `{REBUILD}`"
                ) from None
            raise QueryRefused(str(error)) from None


def tables(home: Home) -> list[SchemaTable]:
    """Return the catalog's tables, views and macros in alphabetical order, with their columns and all comments."""
    described_by = statement("describe")
    with closing(connect(home, sql=described_by)) as connection:
        rows = connection.execute(described_by).fetchall()
    described: dict[str, SchemaTable] = {}
    for name, kind, comment, column, type_, column_comment in rows:
        table = described.setdefault(name, SchemaTable(name, kind, comment, []))
        table.columns.append(SchemaColumn(column, type_, column_comment))
    return list(described.values())
