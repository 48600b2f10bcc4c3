"""The servers, and the machine they run on."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import Json, app
from warehouse.home import Home


@app.command()
def up(
    schedule: Annotated[bool, typer.Option("--schedule", help="Register deployments and start a worker.")] = False,
    deployments: Annotated[Path | None, typer.Option(help="Their file, if not the checkout's prefect.yaml.")] = None,
    webhook: Annotated[
        str | None,
        typer.Option(help="Who is told of failed runs and new champions: an address, or TYPE/NAME of a Prefect block."),
    ] = None,
) -> None:
    """Start the Prefect and MLflow servers on loopback, and with --schedule a worker; Ctrl-C stops all."""
    from flows.services.up import up as start

    start(Home.find(), schedule, deployments, webhook)


@app.command()
def serve(
    model: Annotated[str, typer.Argument(metavar="NAME[@ALIAS]", help="Registered model; by default its champion.")],
    port: Annotated[int | None, typer.Option(min=1024, max=65000, help="By default 5080 or the next free one.")] = None,
) -> None:
    """Answer HTTP requests with a registered model, on loopback; Ctrl-C stops it."""
    from flows.services.model_server import serve as start

    start(Home.find(), model, port)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look at the machine and the set-up: versions, device, threads, disk, and the mend of what is missing."""
    from flows.cli.console import findings

    if not findings(Home.find(), as_json):
        raise typer.Exit(1)
