"""Commands on servers and on the machine: up, serve, doctor."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import Device, Json, app
from warehouse.home import Home


@app.command()
def up(
    schedule: Annotated[bool, typer.Option("--schedule", help="Register the deployments and start a worker.")] = False,
    deployments: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Deployments file, by default prefect.yaml of the project.")
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(metavar="URL|TYPE/NAME", help="URL or Prefect block to notify on failed runs and new champions."),
    ] = None,
) -> None:
    """Start the Prefect and MLflow servers on localhost, and with --schedule a worker; Ctrl-C stops all."""
    from flows.services.up import up as start

    start(Home.find(), schedule, deployments, webhook)


@app.command()
def serve(
    model: Annotated[
        str, typer.Argument(metavar="NAME[@ALIAS]", help="Registered model, by default its champion; needed.")
    ] = "",
    port: Annotated[
        int | None, typer.Option(min=1024, max=65000, help="Port, by default 5080 or the next free one.")
    ] = None,
    max_texts: Annotated[int, typer.Option(min=1, help="Most texts of a request.")] = 1000,
    max_characters: Annotated[int, typer.Option(min=1, help="Most characters of a text.")] = 100_000,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Largest body of a request.")] = 16,
    max_seconds: Annotated[int, typer.Option(min=1, help="Longest time for an answer.")] = 60,
    device: Device = "auto",
) -> None:
    """Serve a registered model over HTTP on localhost; Ctrl-C stops it."""
    from flows.services.model_server import serve as start
    from tasks.tracking.scoring_app import RequestLimits

    start(Home.find(), model, port, RequestLimits(max_texts, max_characters, max_megabytes, max_seconds), device)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check the machine and the installation: versions, device, threads, disk; print a fix for what is missing."""
    from flows.cli.doctor import print_findings

    if not print_findings(Home.find(), as_json):
        raise typer.Exit(1)
