"""Commands on the warehouse: query, describe and maintain it."""

import sys
from functools import partial
from typing import Annotated

import typer

from flows.cli.app import TableFormat, app, warehouse_app
from warehouse.errors import QueryRefused
from warehouse.home import Home

Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.1, max=1e6, help="Longest time the query may take.")]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="Most memory the query may take, as in 500MB or 8GB.")]


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(metavar="SQL", help="A single statement of DuckDB's SQL.")],
    form: TableFormat = "table",
    timeout: Timeout = 60.0,
    memory: Memory = "2GB",
) -> None:
    """Run a read-only SQL query. See `schema` for tables."""
    from warehouse.catalog import limited
    from warehouse.catalog.export import render

    rows = limited.query(Home.find(), statement, timeout=timeout, memory=memory)
    render(rows, form, sys.stdout.buffer)


@app.command()
def query(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Named query; omit it to list all.")] = None,
    params: Annotated[
        list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="Parameter of the query; repeatable.")
    ] = None,
    form: TableFormat = "table",
    timeout: Timeout = 60.0,
    memory: Memory = "2GB",
) -> None:
    """Run a named query, or list the named queries with their parameters."""
    from warehouse.catalog import limited, named_queries
    from warehouse.catalog.export import render

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
    given, run = {key: value for key, _, value in pairs}, partial(limited.query, timeout=timeout, memory=memory)
    rows = named_queries.run_named_query(Home.find(), name, given, run)
    render(rows, form, sys.stdout.buffer)


@app.command()
def schema() -> None:
    """Print the tables, views and columns of the warehouse with their comments."""
    from warehouse.catalog import catalog

    lines = []
    for table in catalog.tables(Home.find()):
        lines += ["", f"{table.name} ({table.kind}): {table.comment}"]
        lines += [f"    {column.name:<22} {column.type:<16} {column.comment}" for column in table.columns]
    typer.echo("\n".join(lines).strip())


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

    from warehouse.lake.manifest import partition_folders
    from warehouse.lake.verify import summary
    from warehouse.lake.verify import verify as look

    home, console = Home.find(), Console(stderr=True)
    total = sum(1 for _ in partition_folders(home.lake))
    seen = list(track(look(home), "verifying", total, console=console, transient=True, disable=not console.is_terminal))
    for fault in (fault for one in seen for fault in one.faults):
        typer.echo(fault)
    typer.echo(summary(seen))
    if any(one.faults for one in seen):
        raise typer.Exit(1)


@app.command()
def gc(
    hours: Annotated[float, typer.Option(min=0, help="Keep files younger than this many hours.")] = 24.0,
    cache_days: Annotated[
        float, typer.Option(min=0, help="Keep downloads and converted models read in this many days.")
    ] = 30.0,
) -> None:
    """Remove temporary files, unpublished partitions, and downloads that nothing reads."""
    from datetime import timedelta

    from warehouse.cache import sweep_cache
    from warehouse.lake.gc import sweep

    for path in sweep(Home.find(), timedelta(hours=hours)):
        typer.echo(path)
    for path, size in sweep_cache(Home.find(), timedelta(days=cache_days)):
        typer.echo(f"{path} ({size / 1e6:,.1f} MB)")
