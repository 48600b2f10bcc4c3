"""Commands on experiments: run one or a stage of it, plan it, print its scores, report it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli.app import Card, DataDir, Format, Json, Set, app
from warehouse.home import Home

if TYPE_CHECKING:
    from flows.planning.plan import Plan


@app.command()
def run(
    card: Card,
    settings: Set = None,
    data_dir: DataDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="After an error, compute whatever does not need what failed.")
    ] = False,
) -> None:
    """Run an experiment: compute what is missing, then print the leaderboard. Resumable."""
    from flows.cli.leaderboard_view import print_summary
    from flows.cli.plan_view import print_start, show_plan
    from flows.planning.plan import make_plan
    from flows.services.ghosts import ghosts

    todo = _planned(card, settings, data_dir)
    if dry_run:
        show_plan(todo, as_json=False)
        return
    print_start(todo)
    if not todo.done or ghosts(todo.home):
        _flow("pipeline", card, settings, data_dir, todo, keep_going=keep_going)
    print_summary(make_plan(todo.experiment, todo.home, todo.data_dir) if todo.unfetched else todo)


@app.command()
def plan(card: Card, settings: Set = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Print what an experiment would compute and what is published: prompts, tokens, disk space, time."""
    from flows.cli.plan_view import show_plan

    show_plan(_planned(card, settings, data_dir), as_json)


@app.command()
def extract(card: Card, settings: Set = None, data_dir: DataDir = None) -> None:
    """Extract the examples and hidden states of an experiment."""
    _stage("extract", card, settings, data_dir)


@app.command()
def anchors(card: Card, settings: Set = None, data_dir: DataDir = None) -> None:
    """Solve the semantic anchors of an experiment's models."""
    _stage("anchors", card, settings, data_dir)


@app.command()
def calibrate(card: Card, settings: Set = None, data_dir: DataDir = None) -> None:
    """Fit the methods of an experiment to stored states and predict."""
    _stage("calibrate", card, settings, data_dir)


@app.command()
def evaluate(card: Card, settings: Set = None, data_dir: DataDir = None) -> None:
    """Score stored predictions and update the catalog."""
    _stage("evaluate", card, settings, data_dir)


@app.command()
def diagnose(card: Card, settings: Set = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Diagnose the models of an experiment: contextual bias, anchors compared with logits, gauge, rounding."""
    from flows.cli.diagnostics_view import show

    show(Home.find(), _flow("diagnose", card, settings, data_dir), as_json)


@app.command()
def leaderboard(
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="Only this experiment.")] = None,
    dataset: Annotated[str | None, typer.Option(metavar="NAME", help="Only this data set.")] = None,
    form: Format = "table",
) -> None:
    """Print the scores on test data, best first."""
    from flows.cli.leaderboard_view import gains_text, leaderboard_table
    from warehouse.catalog.export import render

    render(leaderboard_table(Home.find(), experiment, dataset), form, sys.stdout.buffer)
    if form == "table" and (text := gains_text(Home.find(), experiment, dataset)):
        sys.stdout.flush()
        typer.echo(f"\n{text}")


@app.command()
def report(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Name of an experiment with a finished run.")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write Markdown, whatever the name of the file.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to write: .html is a single page with its figures, any other name is Markdown with SVG pictures"
            " in a folder beside it. Without it, Markdown is printed.",
        ),
    ] = None,
    projection: Annotated[
        Literal["pca", "umap"],
        typer.Option(help="How the HTML page draws states in two dimensions; umap needs umap-learn."),
    ] = "pca",
) -> None:
    """Report the latest run of an experiment: leaderboards, curves, gains over random anchors, costs, keys."""
    from flows.reporting.report import report as write

    html = output is not None and output.suffix in {".html", ".htm"} and not markdown
    page = write(Home.find(), experiment, output, html=html, projection=projection)
    typer.echo(output if output else page, nl=output is not None)


def _stage(name: str, card: str, settings: list[str] | None, data_dir: str | None) -> None:
    for key in _flow(name, card, settings, data_dir):
        typer.echo(key)


def _planned(card: str, settings: list[str] | None, data_dir: str | None) -> "Plan":
    from flows.planning.data_dir import find_data_dir
    from flows.planning.experiment import load_experiment, parse_overrides
    from flows.planning.plan import make_plan

    experiment = load_experiment(card, parse_overrides(settings or []))
    return make_plan(experiment, Home.find(), find_data_dir(data_dir))


def _flow(
    name: str, card: str, settings: list[str] | None, data_dir: str | None, plan: "Plan | None" = None, **more: Any
) -> Any:
    """Run a flow in this process, recorded by a Prefect server: the one of `vocabsem up`, or an ephemeral one.

    plan: what was planned for these parameters already.
    """
    from importlib import import_module

    from flows.planning.experiment import parse_overrides
    from flows.services.prefect_api import in_process

    overrides = parse_overrides(settings or [])
    with in_process(Home.find()):
        from flows.execution.opening import known

        flow = getattr(import_module(f"flows.{name}"), name)
        with known(plan):
            return flow(experiment=card, overrides=overrides, home=str(Home.find().root), data_dir=data_dir, **more)
