"""Commands on experiments: run one or a stage of it, plan it, print its scores, report it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli.app import Card, DataDir, Json, Name, Runner, Set, TableFormat, app
from flows.execution.activity import activity
from vocabsem.errors import BadInput
from warehouse.home import Home

if TYPE_CHECKING:
    from flows.planning.plan import Plan


@app.command()
def run(
    context: typer.Context,
    card: Card,
    settings: Set = None,
    name: Name = None,
    data_dir: DataDir = None,
    runner: Runner = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Continue after an error with steps that do not depend on it.")
    ] = False,
) -> None:
    """Run an experiment: compute what is missing, then print the leaderboard. Resumable."""
    settings = _with(settings, name=name, runner=runner)
    todo = _planned(card, settings, data_dir)

    from flows.cli.leaderboard_view import print_summary
    from flows.cli.plan_view import print_start
    from flows.services.ghosts import ghosts

    if dry_run:
        _show(todo, as_json=False)
        return
    print_start(todo)
    done = todo.done and not ghosts(todo.home)
    key = todo.run.key if done else _flow("pipeline", card, settings, data_dir, todo, keep_going=keep_going)
    print_summary(todo.home, todo.experiment.name, key, str(context.obj) if context.obj else None)


@app.command()
def plan(card: Card, settings: Set = None, name: Name = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Print what an experiment or a study would compute and what is published: prompts, tokens, disk space, time.

    Data sets are fetched and read first. Seconds are those of earlier runs; where there are none, this machine is timed
    for at most ten seconds, once.
    """
    from flows.cli.study_plan_view import is_study, show_study_plan

    if is_study(card):
        show_study_plan(card, _with(settings, name=name), data_dir, as_json=as_json)
    else:
        _show(_planned(card, _with(settings, name=name), data_dir), as_json)


@app.command()
def extract(card: Card, settings: Set = None, data_dir: DataDir = None, runner: Runner = None) -> None:
    """Extract the examples and hidden states of an experiment."""
    _stage("extract", card, settings, data_dir, runner)


@app.command()
def anchors(card: Card, settings: Set = None, data_dir: DataDir = None, runner: Runner = None) -> None:
    """Solve the semantic anchors of an experiment's models."""
    _stage("anchors", card, settings, data_dir, runner)


@app.command()
def calibrate(card: Card, settings: Set = None, data_dir: DataDir = None, runner: Runner = None) -> None:
    """Fit the methods of an experiment to stored states and predict."""
    _stage("calibrate", card, settings, data_dir, runner)


@app.command()
def evaluate(card: Card, settings: Set = None, data_dir: DataDir = None, runner: Runner = None) -> None:
    """Score stored predictions and update the catalog."""
    _stage("evaluate", card, settings, data_dir, runner)


@app.command()
def diagnose(
    card: Card, settings: Set = None, data_dir: DataDir = None, runner: Runner = None, as_json: Json = False
) -> None:
    """Diagnose the models of an experiment: contextual bias, anchors compared with logits, gauge, rounding."""
    from flows.cli.diagnostics_view import print_diagnostics

    settings = _with(settings, runner=runner)
    print_diagnostics(
        Home.find(), _flow("diagnose", card, settings, data_dir, _planned(card, settings, data_dir)), as_json
    )


@app.command()
def leaderboard(
    experiment: Annotated[str | None, typer.Argument(metavar="EXPERIMENT", help="Experiment, by default all.")] = None,
    dataset: Annotated[str | None, typer.Option(metavar="NAME", help="Only this data set.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this method, * for any characters; repeatable.")
    ] = None,
    shots: Annotated[
        str | None, typer.Option(metavar="N,…", help="Only these labeled examples per class, as in 0,4,all.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Metric shown per number of shots: macro_f1, accuracy, nll, ece, brier, micro_f1, qwk, mae, r2,"
            " spearman, rmse or fit_seconds.",
        ),
    ] = "macro_f1",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Columns beside it, by default as many as fit: shots (at which a method is best), control, unlabeled,"
            " interval, a metric, spread, n_seeds, ari_before or ari_after.",
        ),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="NAME", help="Sort by a column, a number of shots, or method; best first.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N methods of each leaderboard.")
    ] = None,
    form: TableFormat = "table",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON: the scores, which methods were left out and why, layers chosen."),
    ] = False,
) -> None:
    """Print the scores on test data in the latest runs: a leaderboard for each data set and model, best first."""
    from flows.cli.board import Selection
    from flows.cli.board_notes import board_notes, board_page
    from flows.cli.board_rows import check_selection, leaderboard_rows, long_table
    from flows.cli.leaderboard_view import print_leaderboards
    from warehouse.catalog.export import write_table

    home = Home.find()
    rows = leaderboard_rows(home, experiment, dataset, method or (), shots.split(",") if shots else ())
    selection = Selection(metric, top, tuple(dict.fromkeys(columns.split(","))) if columns else None, sort)
    check_selection(selection, rows)
    if as_json and form not in ("table", "json"):
        raise BadInput(f"--json and --format {form!r} exclude each other: give one")
    if as_json:
        page = board_page(long_table(rows, selection).to_pylist(), board_notes(home, dataset))
        typer.echo(json.dumps(page, indent=1))
    elif form == "table":
        print_leaderboards(home, rows, selection, board_notes(home, dataset))
    else:
        write_table(long_table(rows, selection), form, sys.stdout.buffer)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Experiment, for its latest run, or the key of a run.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The same, to be compared with A.")],
    metric: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Metric to compare: macro_f1, accuracy, nll, ece, brier, micro_f1, qwk, mae, r2, spearman or rmse.",
        ),
    ] = "macro_f1",
    dataset: Annotated[str | None, typer.Option(metavar="NAME", help="Only this data set.")] = None,
    method: Annotated[str | None, typer.Option(metavar="NAME", help="Only this method.")] = None,
    form: TableFormat = "table",
) -> None:
    """Compare two experiments or runs: paired differences of the fits that both have, with 95 % intervals."""
    from flows.cli.compare_view import show_comparison

    show_comparison(Home.find(), (first, second), metric, dataset, method, form)


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
            help="File to write: .html is a single page with its charts, any other name is Markdown with SVG pictures"
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
    with activity(f"writing the report of {experiment}"):
        page = write(Home.find(), experiment, output, html=html, projection=projection)
    typer.echo(output if output else page, nl=output is not None)


def _stage(name: str, card: str, settings: list[str] | None, data_dir: str | None, runner: str | None) -> None:
    settings = _with(settings, runner=runner)
    for key in _flow(name, card, settings, data_dir, _planned(card, settings, data_dir)):
        typer.echo(key)


def _with(settings: list[str] | None, **options: str | None) -> list[str]:
    """Return the settings with those options that were given, keys of the card too."""
    return [*(settings or []), *(f"{key}={json.dumps(text)}" for key, text in options.items() if text is not None)]


def _planned(card: str, settings: list[str] | None, data_dir: str | None) -> "Plan":
    from flows.planning.experiment import parse_overrides
    from flows.planning.variants import load_variant

    experiment = load_variant(card, parse_overrides(settings or []))

    from flows.planning.data_dir import find_data_dir, require_files
    from flows.planning.plan import make_plan

    plan = make_plan(experiment, Home.find(), find_data_dir(data_dir))
    require_files(plan.unfetched, plan.home.cache)
    return plan


def _show(plan: "Plan", as_json: bool) -> None:
    from flows.cli.plan_view import show_plan
    from flows.execution.reading import read_data

    show_plan(*read_data(plan), as_json=as_json)


def _flow(name: str, card: str, settings: list[str] | None, data_dir: str | None, plan: "Plan", **more: Any) -> Any:
    """Run a flow in this process, recorded by a Prefect server: the one of `vocabsem up`, or an ephemeral one.

    plan: of the same parameters, made before a server starts, so that bad input is refused at once.
    """
    from importlib import import_module

    from flows.planning.experiment import parse_overrides
    from flows.services.prefect_api import in_process, lasting

    overrides, stays = parse_overrides(settings or []), lasting(Home.find())
    with in_process(Home.find()):
        from flows.execution.flow_run import print_address
        from flows.execution.log_file import log_file
        from flows.execution.opening import known

        flow = getattr(import_module(f"flows.{name}"), name)
        flow = flow.with_options(on_running=[print_address]) if stays else flow
        with known(plan), log_file(Home.find(), name):
            return flow(experiment=card, overrides=overrides, home=str(Home.find()), data_dir=data_dir, **more)
