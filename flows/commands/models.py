"""Models: what their anchors say, and registered champions."""

import sys
from typing import Annotated

import typer

from flows.commands import DEFAULT_MODEL, Format, Json, Model, app
from vocabsem.errors import BadInput
from warehouse.home import Home


@app.command()
def neighbours(
    token: Annotated[str, typer.Argument(help="A token as the model writes it, mostly with its leading space.")],
    model: Model = DEFAULT_MODEL,
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    form: Format = "table",
) -> None:
    """Print the tokens whose anchors are nearest to a token's anchor."""
    from flows.narrate import neighbours_table
    from warehouse.export import render

    render(neighbours_table(Home.find(), model, token, k), form, sys.stdout.buffer)


@app.command()
def predict(
    texts: Annotated[list[str], typer.Argument(help="Texts to classify; - reads one per line.")],
    model: Annotated[str, typer.Option(help="Registered model: name@alias or name/version.")],
    as_json: Json = False,
) -> None:
    """Classify texts with a registered champion."""
    from flows.narrate import predictions_table
    from warehouse.export import render

    lines = [line for text in texts for line in (sys.stdin.read().splitlines() if text == "-" else [text])]
    if not lines or not all(line.strip() for line in lines):
        raise BadInput("a text to classify is empty: give at least one word")
    render(predictions_table(Home.find(), model, lines), "json" if as_json else "table", sys.stdout.buffer)
