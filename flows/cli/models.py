"""Models: what their anchors say, what a state means by them, and what registered ones answer."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import DEFAULT_MODEL, DataDir, Format, Json, Model, app
from vocabsem.errors import BadInput
from warehouse.home import Home


@app.command()
def neighbors(
    token: Annotated[str, typer.Argument(help="A token as the model writes it, mostly with its leading space.")],
    model: Model = DEFAULT_MODEL,
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    form: Format = "table",
) -> None:
    """Print the tokens whose anchors are nearest to a token's anchor."""
    from flows.cli.console import nearest_tokens_table
    from warehouse.catalog.export import render

    render(nearest_tokens_table(Home.find(), model, token, k), form, sys.stdout.buffer)


@app.command()
def lens(
    text: Annotated[str | None, typer.Argument(help="The prompt, or with --dataset the text of an example.")] = None,
    model: Model = DEFAULT_MODEL,
    dataset: Annotated[str | None, typer.Option(help="Data set card: its template and label words are used.")] = None,
    example: Annotated[str | None, typer.Option(help="Id of a stored example of the data set, for a text.")] = None,
    center: Annotated[bool, typer.Option(help="Look also without the mean of stored training texts.")] = True,
    k: Annotated[int, typer.Option("-k", min=1, help="How many tokens of each layer.")] = 5,
    output: Annotated[Path | None, typer.Option(help="Write a page of HTML with a heat map.")] = None,
    form: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
    data_dir: DataDir = None,
) -> None:
    """Look at a prompt's state at every layer: its nearest anchors, and what the model would say if it ended there."""
    from flows.cli import lens_view
    from flows.cli.console import console
    from flows.planning.plan import find_data_dir
    from flows.reporting.templating import writable
    from tasks.views.lens import look
    from vocabsem.cards.schema import load_card

    if (text is None) == (example is None) or (example is not None and dataset is None):
        raise BadInput("give a text, or --dataset with --example and the id of a stored example")
    if form not in ("table", "json"):
        raise BadInput(f"{form!r} is no format of the lens: choose table or json")
    _check_utf8(text or "")
    card = load_card("datasets", dataset).located(find_data_dir(data_dir)) if dataset else None
    seen = look(Home.find(), load_card("models", model), text, card, example, k=k, center=center)
    if output:
        with writable(output):
            output.write_text(lens_view.html(seen), encoding="utf-8")
        typer.echo(output)
    elif form == "json":
        typer.echo(json.dumps(asdict(seen), ensure_ascii=False, indent=1))
    else:
        console(150).print(lens_view.terminal(seen))
        typer.echo(lens_view.explained(seen))


@app.command()
def predict(
    model: Annotated[str, typer.Option(help="Registered model: name@alias or name/version.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to classify; - reads one per line.")] = None,
    as_json: Json = False,
    input: Annotated[Path | None, typer.Option(help="A .parquet or .csv file of texts, of any size.")] = None,
    output: Annotated[Path | None, typer.Option(help="The .parquet or .csv file to write.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=NAME", help="Column of the file for a field of the model.")
    ] = None,
) -> None:
    """Classify texts, or a file of them, with a registered model. A file that was stopped goes on where it was."""
    if (input is None) != (output is None) or (input is None) == (not texts):
        raise BadInput("give texts, or a file with --input and where its answers go with --output")
    if input and output:
        _score(model, str(input), str(output), column or [])
    else:
        _answer(model, texts or [], as_json)


def _answer(model: str, texts: list[str], as_json: bool) -> None:
    from flows.cli.console import predictions_table
    from warehouse.catalog.export import render

    lines = [line for text in texts for line in (_piped() if text == "-" else [text])]
    if not lines or not all(line.strip() for line in lines):
        raise BadInput("a text to classify is empty: give at least one word")
    for line in lines:
        _check_utf8(line)
    render(predictions_table(Home.find(), model, lines), "json" if as_json else "table", sys.stdout.buffer)


def _piped() -> list[str]:
    return sys.stdin.buffer.read().decode(errors="surrogateescape").splitlines()


def _check_utf8(text: str) -> None:
    """Raises BadInput for a text that came as bytes of another encoding, which Python carries on as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"the text {text[:60]!r} is not UTF-8 at character {error.start}: convert it to UTF-8") from None


def _score(model: str, input: str, output: str, column: list[str]) -> None:
    from flows.services.prefect_api import in_process
    from tasks.batch_predict import make_job

    if wrong := next((word for word in column if "=" not in word), None):
        raise BadInput(f"--column {wrong!r}: write FIELD=NAME, as in --column text=review")
    columns, home = dict(word.split("=", 1) for word in column), Home.find()
    make_job(home, model, input, output, columns)  # what can be refused is refused before a server starts
    with in_process(home):
        from flows.batch_predict import score

        typer.echo(score(model, input, output, columns, str(home.root)))
