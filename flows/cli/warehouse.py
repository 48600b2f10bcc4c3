"""Commands on the warehouse: query, describe and maintain it."""

import json
import sys
from dataclasses import asdict
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import Json, app, warehouse_app
from flows.execution.activity import line
from vocabsem.errors import BadInput
from warehouse.errors import QueryRefused
from warehouse.home import Home

FileFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Output format: table, csv, excel (CSV for spreadsheets, no text is a formula), json or parquet; by"
        " default table, or that of the file's name.",
    ),
]
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="A .csv, .json, .parquet or .txt file to write.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.1, max=1e6, help="Longest time the query may take.")]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="Most memory the query may take, as in 500MB or 8GB.")]


@app.command()
def sql(
    statement: Annotated[
        str | None,
        typer.Argument(
            metavar="SQL", help="A statement of DuckDB's SQL; without it, or for -, standard input is read."
        ),
    ] = None,
    form: FileFormat = None,
    output: Output = None,
    timeout: Timeout = 60.0,
    memory: Memory = "2GB",
) -> None:
    """Run a read-only SQL query. See `schema` for tables."""
    from flows.cli.output import output_format, write_rows
    from warehouse.catalog import limited

    output_format(form, output)
    text = _read_sql() if statement in (None, "-") else statement
    write_rows(limited.limited_query(Home.find(), text, timeout=timeout, memory=memory), form, output)


def _read_sql() -> str:
    if sys.stdin.isatty():
        raise BadInput("there is no SQL: give a statement, or a file as standard input, as in vocabsem sql < FILE")
    return sys.stdin.buffer.read().decode("utf-8-sig", errors="surrogateescape")


@app.command()
def query(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Named query; omit it to list all.")] = None,
    params: Annotated[
        list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="Parameter of the query; repeatable.")
    ] = None,
    form: FileFormat = None,
    output: Output = None,
    timeout: Timeout = 60.0,
    memory: Memory = "2GB",
) -> None:
    """Run a named query, or list the named queries with their parameters."""
    from flows.cli.output import output_format, write_rows
    from warehouse.catalog import limited, named_queries

    output_format(form, output)
    if name is None:
        for named in named_queries.named_queries().values():
            typer.echo(f"{named.name:<18} {named.question}")
            for parameter in named.parameters.values():
                default = "" if parameter.default is None else f" [{parameter.default}]"
                typer.echo(f"{'':<18}   {parameter.name}{default}: {parameter.what}")
        return
    pairs = [pair.partition("=") for pair in params or []]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise QueryRefused(f"--param {wrong[0]!r}: expected KEY=VALUE, as in --param dataset=bbc_news")
    given, run = {key: value for key, _, value in pairs}, partial(limited.limited_query, timeout=timeout, memory=memory)
    write_rows(named_queries.run_named_query(Home.find(), name, given, run), form, output)


@app.command()
def schema(
    table: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="Table, view or macro; without it, all are printed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the tables, views and columns of the warehouse with their comments."""
    from warehouse.catalog import catalog

    tables = catalog.tables(Home.find())
    chosen = [each for each in tables if table in (None, each.name)]
    if not chosen:
        names = [each.name for each in tables]
        near = get_close_matches(str(table), names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise BadInput(f"there is no table {table!r} in the warehouse: {hint}there are {', '.join(names)}")
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in chosen], indent=1))
        return
    lines = []
    for each in chosen:
        lines += ["", f"{each.name} ({each.kind}): {each.comment}"]
        lines += [f"    {column.name:<22} {column.type:<16} {column.comment}" for column in each.columns]
    typer.echo("\n".join(lines).strip())


@app.command()
def shell(
    command: Annotated[str | None, typer.Option("-c", metavar="SQL", help="Run SQL and exit.")] = None,
    ui: Annotated[
        bool, typer.Option("--ui", help="Open DuckDB's pages in the browser; it downloads them once.")
    ] = False,
) -> None:
    """Open DuckDB's own shell on the warehouse, whose tables it cannot write; needs duckdb-cli.

    Unlike `sql` it can read and write other files, with your permissions.
    """
    from flows.services.shell import open_shell

    open_shell(Home.find(), command, ui)


@app.command()
def mcp(timeout: Timeout = 60.0, memory: Memory = "2GB") -> None:
    """Serve named queries and read-only SQL to an assistant, by the Model Context Protocol over standard input.

    The assistant starts it; each query has its own limits.
    """
    from flows.services.mcp_server import make_server

    server = make_server(Home.find(), timeout, memory)
    line.stop()
    server.run("stdio")


@warehouse_app.command("rebuild")
def rebuild() -> None:
    """Rebuild the catalog from the lake."""
    from warehouse.catalog import catalog

    typer.echo(catalog.rebuild(Home.find()))


@warehouse_app.command("verify")
def verify() -> None:
    """Compare every published file with its manifest; print a fix for what is damaged or missing."""
    from rich.console import Console
    from rich.progress import track

    from warehouse.lake.store import store_of
    from warehouse.lake.verify import verification_summary
    from warehouse.lake.verify import verify as verify_lake

    home, console = Home.find(), Console(stderr=True)
    total = sum(1 for _ in store_of(home).folders(home.lake))
    seen = list(
        track(verify_lake(home), "verifying", total, console=console, transient=True, disable=not console.is_terminal)
    )
    for fault in (fault for one in seen for fault in one.faults):
        typer.echo(fault)
    typer.echo(verification_summary(seen))
    if any(one.faults for one in seen):
        raise typer.Exit(1)


@app.command()
def gc(
    hours: Annotated[float, typer.Option(min=0, help="Keep files younger than this many hours.")] = 24.0,
    cache_days: Annotated[
        float,
        typer.Option(min=0, help="Keep downloads, models, mapped states and copies read in this many days."),
    ] = 30.0,
) -> None:
    """Remove temporary files, unpublished partitions, and downloads and mapped states that nothing reads."""
    from datetime import timedelta

    from warehouse.cache import sweep_cache
    from warehouse.lake.gc import sweep, sweep_copies

    for path in sweep(Home.find(), timedelta(hours=hours)):
        typer.echo(path)
    unused = timedelta(days=cache_days)
    for path, size in [*sweep_cache(Home.find(), unused), *sweep_copies(Home.find(), unused)]:
        typer.echo(f"{path} ({size / 1e6:,.1f} MB)")
