"""The warehouse: ask it, describe it, care for it."""

import sys
from typing import Annotated

import typer

from flows.cli.app import app, warehouse_app
from warehouse.errors import QueryRefused
from warehouse.home import Home


@app.command()
def sql(
    query: str, form: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table"
) -> None:
    """Ask the warehouse, read-only. `vocabsem schema` tells its tables."""
    from warehouse.catalog import catalog
    from warehouse.catalog.export import render

    render(catalog.query(Home.find(), query), form, sys.stdout.buffer)


@app.command()
def ask(
    name: Annotated[str | None, typer.Argument(help="A named analysis; none lists them.")] = None,
    given: Annotated[list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="A parameter of it.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table",
) -> None:
    """Ask the warehouse a question that has a name; without one, list them with their parameters."""
    from warehouse.catalog import named_queries
    from warehouse.catalog.export import render

    if name is None:
        for analysis in named_queries.analyses().values():
            typer.echo(f"{analysis.name:<18} {analysis.question}")
            for parameter in analysis.parameters.values():
                default = "" if parameter.default is None else f" [{parameter.default}]"
                typer.echo(f"{'':<18}   {parameter.name}{default}: {parameter.what}")
        return
    pairs = [pair.partition("=") for pair in given or []]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise QueryRefused(f"--param {wrong[0]!r}: expected KEY=VALUE, as in --param dataset=bbc_news")
    render(named_queries.ask(Home.find(), name, {key: value for key, _, value in pairs}), form, sys.stdout.buffer)


@app.command()
def schema() -> None:
    """Print the tables, views and columns of the warehouse with their comments."""
    from flows.cli.console import schema_page

    typer.echo(schema_page(Home.find()))


@warehouse_app.command("rebuild")
def rebuild() -> None:
    """Build the warehouse anew from the lake."""
    from warehouse.catalog import catalog

    typer.echo(catalog.rebuild(Home.find()))


@warehouse_app.command("verify")
def verify() -> None:
    """Compare every published byte with its manifest; what is damaged or missing is listed with its mend."""
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
def gc(hours: Annotated[float, typer.Option(min=0, help="Keep what was written since.")] = 24.0) -> None:
    """Remove temporary files and partitions that were never published."""
    from datetime import timedelta

    from warehouse.lake.gc import sweep

    for path in sweep(Home.find(), timedelta(hours=hours)):
        typer.echo(path)
