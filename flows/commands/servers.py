"""The servers, and the machine they run on."""

import typer

from flows.commands import Json, app
from warehouse.home import Home


@app.command()
def up() -> None:
    """Start the Prefect and MLflow servers on loopback; Ctrl-C stops both."""
    from flows.servers import up as start

    start(Home.find())


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look at the machine and the set-up: versions, device, threads, disk, and the mend of what is missing."""
    from flows.narrate import findings

    if not findings(Home.find(), as_json):
        raise typer.Exit(1)
