"""Commands on models: nearest anchors, the lens, predictions of registered models."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.app import DEFAULT_MODEL, DataDir, Device, Encoding, Format, Json, Model, Sep, app
from flows.execution.activity import activity, line
from vocabsem.errors import BadInput
from vocabsem.prompts.texts import is_empty
from vocabsem.runtime.devices import check_device
from vocabsem.sources.local import require_file
from warehouse.home import Home

if TYPE_CHECKING:
    import pyarrow as pa


@app.command()
def neighbors(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="Token as the model writes it, usually with a leading space.")
    ],
    model: Model = DEFAULT_MODEL,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of neighbors.")] = 10,
    form: Format = "table",
) -> None:
    """Print the tokens whose anchors are nearest to a token's anchor."""
    from warehouse.catalog.export import write_table

    write_table(nearest_tokens(Home.find(), model, token, k), form, sys.stdout.buffer)


def nearest_tokens(home: Home, model: str, token: str, k: int) -> "pa.Table":
    """Return the tokens nearest to a token by anchor. Raises BadInput for an unknown token or model."""
    from warehouse.catalog import reads

    if not token:
        raise BadInput("the token is empty: give one, most words with their leading space")
    table = reads.nearest_tokens(home, model, token, k)
    if not len(table):
        models = reads.models_with_anchors(home)
        if model not in models:
            raise BadInput(f"no anchors of model {model!r}, only of {models}: run `vocabsem anchors CARD`")
        similar = reads.similar_tokens(home, model, token)
        hint = f"it has {', '.join(map(repr, similar))}" if similar else "it is split into several"
        raise BadInput(f"{token!r} is no single token of {model!r}: {hint}; most words have a leading space")
    return table


@app.command()
def lens(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="Prompt, or with --dataset the text of an example.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    dataset: Annotated[
        str | None, typer.Option(metavar="CARD", help="Data set card, for its template and label words.")
    ] = None,
    example: Annotated[
        str | None, typer.Option(metavar="ID", help="Stored example of the data set, in place of a text.")
    ] = None,
    center: Annotated[bool, typer.Option(help="Also subtract the mean state of stored training texts.")] = True,
    hide: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Fraction of least-trained tokens, by norm and leverage of their head rows, to exclude from nearest"
            " anchors.",
        ),
    ] = 0.01,
    project_frequency: Annotated[
        bool,
        typer.Option("--project-frequency", help="Compare without the direction of token frequency."),
    ] = False,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of tokens per layer.")] = 5,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="HTML page with a heat map to write.")] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="Output format: table or json.")] = "table",
    device: Device = "auto",
    data_dir: DataDir = None,
) -> None:
    """Print for every layer the anchors nearest to a prompt's state and the model's predictions from that layer."""
    if (text is None) == (example is None) or (example is not None and dataset is None):
        raise BadInput("give a text, or --dataset with --example and the id of a stored example")
    if form not in ("table", "json"):
        raise BadInput(f"{form!r} is not a format of lens: choose table or json")
    _check_utf8(text or "")
    check_device(device)

    from flows.planning.data_dir import find_data_dir
    from vocabsem.cards.loader import load_card
    from vocabsem.models.model_draft import find_model_card

    card = load_card("datasets", dataset).located(find_data_dir(data_dir)) if dataset else None
    home = Home.find()
    model_card = find_model_card(model, home.cache)
    options: dict[str, Any] = {"k": k, "center": center, "hide": hide, "project_frequency": project_frequency}
    options["device"] = device
    with activity(f"reading the states of {model}"):
        from flows.cli import lens_view
        from flows.cli.console import console
        from flows.reporting.templating import writable, write_page
        from tasks.views.lens import inspect_prompt

        seen = inspect_prompt(home, model_card, text, card, example, **options)
    if output:
        with writable(output):
            write_page(output, lens_view.html(seen))
        typer.echo(output)
    elif form == "json":
        typer.echo(json.dumps(asdict(seen), ensure_ascii=False, indent=1))
    else:
        console(150).print(lens_view.terminal(seen))
        typer.echo(lens_view.legend(seen))


@app.command()
def predict(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXTS", help="Texts to classify; - reads one per line from standard input."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Registered model: NAME@ALIAS or NAME/VERSION; needed.")
    ] = "",
    as_json: Json = False,
    input: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File of texts, of any size: CSV, TSV, JSON, JSON lines, Parquet or Arrow."),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="A .parquet or .csv file to write.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=NAME", help="Column of the file for a field of the model; repeatable."),
    ] = None,
    sep: Sep = None,
    encoding: Encoding = None,
    device: Device = "auto",
) -> None:
    """Classify texts, or a file of them, with a registered model. Files are resumable."""
    if (input is None) != (output is None) or (input is None) == (not texts):
        raise BadInput("give texts, or a file of texts with --input and a file to write with --output")
    if input and output:
        _predict_file(model, str(input), str(output), column or [], sep, encoding, device)
    else:
        _predict_texts(model, texts or [], as_json, device)


def _predict_texts(model: str, texts: list[str], as_json: bool, device: str) -> None:
    from tasks.tracking.registered import find_classifier

    lines = [each for text in texts for each in (_read_stdin() if text == "-" else [text])]
    if not lines or any(map(is_empty, lines)):
        raise BadInput("a text to classify is empty: give at least one word")
    for each in lines:
        _check_utf8(each)
    registered = find_classifier(Home.find(), model)
    check_device(device)
    field, *others = registered.config["fields"]
    if others:
        raise BadInput(f"{model} has the fields {', '.join([field, *others])}: give a file of them with --input")

    with activity(f"loading {registered.name}/{registered.version}"):
        import pyarrow as pa

        from vocabsem.text_models.text_classifier import TextClassifier
        from warehouse.catalog.export import write_table

        classifier = TextClassifier(registered.classifier, device)
    answers = classifier.predict([{field: each} for each in lines])
    write_table(pa.table(answers), "json" if as_json else "table", sys.stdout.buffer)


def _read_stdin() -> list[str]:
    with line.erased():  # who types them shall see them
        return sys.stdin.buffer.read().decode(errors="surrogateescape").splitlines()


def _check_utf8(text: str) -> None:
    """Raise BadInput for a text in another encoding, whose bytes Python keeps as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"the text {text[:60]!r} is not UTF-8 at character {error.start}: convert it to UTF-8") from None


def _predict_file(
    model: str, input: str, output: str, column: list[str], sep: str | None, encoding: str | None, device: str
) -> None:
    from tasks.tracking.registered import find_classifier

    if wrong := next((word for word in column if "=" not in word), None):
        raise BadInput(f"--column {wrong!r}: write FIELD=NAME, as in --column text=review")
    columns, home = dict(word.split("=", 1) for word in column), Home.find()
    find_classifier(home, model)
    require_file(Path(input))

    from flows.services.prefect_api import in_process
    from tasks.batch_predict import make_job, predict_file, validate_input
    from vocabsem.cards.reader_options import reader_options

    options = reader_options(sep, encoding)
    job = make_job(home, model, input, output, columns, options, device)  # refuses bad input before a server starts
    if home.read_only:  # where no server could record it
        predict_file.fn(home, job, *validate_input(job))
        typer.echo(output)
        return
    with in_process(home):
        from flows.batch_predict import batch_predict

        typer.echo(batch_predict(model, input, output, columns, sep, encoding, device, str(home)))
