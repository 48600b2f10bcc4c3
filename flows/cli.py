"""The command line, `vocabsem`: the outermost room. Heavy modules are imported by the command that needs them."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from flows.environment import prepare
from vocabsem.errors import BadInput, VocabsemError
from warehouse.errors import WarehouseError
from warehouse.home import Home

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure and improve what a frozen language model knows about a labelled task.\n\n"
    "Anywhere on the line: --home DIR (or VOCABSEM_HOME) says where data rests, by default .vocabsem; "
    "--debug shows tracebacks. Exit codes: 0 done, 1 a computation failed, 2 bad input.",
)

warehouse_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Care for the warehouse.")
app.add_typer(warehouse_app, name="warehouse")

Card = Annotated[str, typer.Argument(metavar="CARD", help="Experiment card: a path, or a name in data/experiments.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the card.")]
DataDir = Annotated[str | None, typer.Option(help="Folder with local copies of data sets (VOCABSEM_DATA_DIR).")]
Format = Annotated[str, typer.Option("--format", help="table, csv or json.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
    card: Card,
    settings: Set = None,
    data_dir: DataDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
) -> None:
    """Run an experiment: compute what is missing, then print the leaderboard."""
    from flows import narrate
    from flows.experiment import load_experiment, parse_overrides
    from flows.plan import find_data_dir, make_plan

    home, overrides = Home.find(), parse_overrides(settings or [])
    todo = make_plan(load_experiment(card, overrides), home, find_data_dir(data_dir))
    if dry_run:
        narrate.show_plan(todo, as_json=False)
        return
    narrate.beginning(todo)
    if not todo.done:
        _flow("pipeline", card, overrides, data_dir)
    narrate.ending(make_plan(todo.experiment, home, todo.data_dir))


@app.command()
def plan(card: Card, settings: Set = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show what an experiment would compute and what is there already: prompts, tokens, disk, time."""
    from flows import narrate
    from flows.experiment import load_experiment, parse_overrides
    from flows.plan import find_data_dir, make_plan

    experiment = load_experiment(card, parse_overrides(settings or []))
    narrate.show_plan(make_plan(experiment, Home.find(), find_data_dir(data_dir)), as_json)


@app.command()
def extract(card: Card, settings: Set = None, data_dir: DataDir = None) -> None:
    """Store the examples and hidden states of an experiment."""
    _stage("extract", card, settings, data_dir)


@app.command()
def anchors(card: Card, settings: Set = None, data_dir: DataDir = None) -> None:
    """Solve the semantic anchors of an experiment's models."""
    _stage("anchors", card, settings, data_dir)


@app.command()
def calibrate(card: Card, settings: Set = None, data_dir: DataDir = None) -> None:
    """Fit the methods of an experiment on stored states and predict."""
    _stage("calibrate", card, settings, data_dir)


@app.command()
def evaluate(card: Card, settings: Set = None, data_dir: DataDir = None) -> None:
    """Score stored predictions and bring the warehouse up to date."""
    _stage("evaluate", card, settings, data_dir)


@app.command()
def leaderboard(
    experiment: Annotated[str | None, typer.Option(help="Only this experiment.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only this data set.")] = None,
    form: Format = "table",
) -> None:
    """Print the scores on test data, best first."""
    from flows.narrate import leaderboard_table, worth_page
    from warehouse.export import render

    render(leaderboard_table(Home.find(), experiment, dataset), form, sys.stdout.buffer)
    if form == "table" and (page := worth_page(Home.find(), experiment, dataset)):
        sys.stdout.flush()
        typer.echo(f"\n{page}")


@app.command()
def report(
    experiment: Annotated[str, typer.Argument(help="An experiment that was run, by its name.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, the only form there is.")] = True,
    output: Annotated[Path | None, typer.Option(help="File to write; its pictures go into a folder beside it.")] = None,
) -> None:
    """Write the tables of an experiment's latest run: the paper's, by shots, ranks, what the vocabulary is worth."""
    from flows.report import report as write

    page = write(Home.find(), experiment, output)
    typer.echo(output if output else page, nl=output is not None)


@app.command()
def sql(
    query: str, form: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table"
) -> None:
    """Ask the warehouse, read-only. `vocabsem schema` tells its tables."""
    from warehouse import catalog
    from warehouse.export import render

    render(catalog.query(Home.find(), query), form, sys.stdout.buffer)


@app.command()
def schema() -> None:
    """Print the tables, views and columns of the warehouse with their comments."""
    from flows.narrate import schema_page

    typer.echo(schema_page(Home.find()))


@app.command()
def neighbours(
    token: Annotated[str, typer.Argument(help="A token as the model writes it, mostly with its leading space.")],
    model: Annotated[str, typer.Option(help="Model card.")] = "smollm2-135m-instruct",
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


@warehouse_app.command("rebuild")
def rebuild() -> None:
    """Build the warehouse anew from the lake."""
    from warehouse import catalog

    typer.echo(catalog.rebuild(Home.find()))


@app.command()
def gc(hours: Annotated[float, typer.Option(min=0, help="Keep what was written since.")] = 24.0) -> None:
    """Remove temporary files and partitions that were never published."""
    from datetime import timedelta

    from warehouse.gc import sweep

    for path in sweep(Home.find(), timedelta(hours=hours)):
        typer.echo(path)


def _stage(name: str, card: str, settings: list[str] | None, data_dir: str | None) -> None:
    from flows.experiment import parse_overrides

    for key in _flow(name, card, parse_overrides(settings or []), data_dir):
        typer.echo(key)


def _flow(name: str, card: str, overrides: dict[str, Any], data_dir: str | None) -> Any:
    """Run a flow in this process, recorded by a Prefect server: the one of `vocabsem up`, or a passing one."""
    from importlib import import_module

    from flows.environment import in_process

    with in_process(Home.find()):
        flow = getattr(import_module(f"flows.{name}"), name)
        return flow(experiment=card, overrides=overrides, home=str(Home.find().root), data_dir=data_dir)


def main(*prefix: str) -> NoReturn:
    """The console script. `prefix` is the command for `python -m flows.<name>`."""
    words = [*prefix, *sys.argv[1:]]
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not debug:  # tasks and flows still log to the Prefect API
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    try:
        prepare(_take_home(words))
        code = app(words, standalone_mode=False)
    except typer.TyperException as error:
        error.show()
        code = 2
    except (VocabsemError, WarehouseError) as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        code = error.exit_code
    except KeyboardInterrupt:
        typer.echo("stopped: the same command goes on from here", err=True)
        code = 130
    except Exception as error:
        if debug:
            raise
        typer.echo(f"error: {type(error).__name__}: {error}\n(--debug shows where)", err=True)
        code = 1
    _leave(code if isinstance(code, int) else 0)


def _leave(code: int) -> NoReturn:
    """End the process. After a flow, without taking the interpreter apart: Prefect's idle threads hold frames with
    objects of DuckDB, whose bindings would report them on the terminal as leaks. All that was queued is sent by then.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if "prefect" in sys.modules:
        logging.shutdown()
        os._exit(code)
    sys.exit(code)


def _take_home(words: list[str]) -> Path | None:
    """Remove `--home DIR` from the words, wherever it stands."""
    for index, word in enumerate(words):
        if word == "--home" and index + 1 < len(words):
            home = words[index + 1]
            del words[index : index + 2]
            return Path(home)
        if word.startswith("--home="):
            return Path(words.pop(index).removeprefix("--home="))
    return None


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "120")
    main()
