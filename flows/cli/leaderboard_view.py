"""Print the leaderboards of a run, and those of all runs."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from rich.console import Console

from flows.cli.board import METRICS, WANTED, Selection, board, has_metric, with_headline
from flows.cli.board_notes import BoardNotes
from flows.cli.champions import champion_lines
from flows.cli.console import Column, console, print_grid, stack
from flows.cli.next_steps import next_steps
from flows.cli.short_names import shorten_names
from flows.reporting.data_notes import data_notes
from flows.reporting.effects import GAINS, gain_cells, ranks, sort_shots
from tasks.steps.result_specs import RunSpec
from tasks.tracking.outcome import registrations
from tasks.views.recorded_run import RecordedRun
from vocabsem.label_kinds import headline
from warehouse.catalog import reads
from warehouse.home import Home

Row = Mapping[str, Any]
Cells = Mapping[tuple[str, str], Sequence[Mapping[str, str]]]
BOARD = itemgetter("dataset", "model")
WIDE = 140  # columns, of a terminal that has room for all those of a few numbers of shots


def print_summary(home: Home, experiment: str, run: str, given_home: str | None) -> None:
    """Print the leaderboards of a run, by its key, its champions and the commands to continue with.

    given_home: what --home was given in this call, if it was.
    """
    rows, registered, out = reads.run_scores(home, run), registrations(home, run), console()
    _print_boards(out, rows, Selection(), gain_cells(home, run))
    for model, by_method in ranks(home, run).items():
        _print_ranks(out, f"average rank by macro-F1, {model}", by_method)
    _print_legend(out, Selection(), rows)
    recorded = RecordedRun(home, run)
    for what, note in data_notes(recorded.partitions.values()):
        out.print(f"{what}: {note}")
    wanted = RunSpec.parse(recorded.record.payload).champion
    for line in champion_lines(reads.best_by_validation(home, run), registered, wanted):
        out.print(line)
    out.print("\nNext:")
    datasets = sorted({row["dataset"] for row in rows})
    for command, description in next_steps(home, experiment, datasets, registered, given_home):
        out.print(f"  {command}", soft_wrap=True)
        out.print(f"    {description}")


def print_leaderboards(
    home: Home, rows: Sequence[Row], selection: Selection, notes: Mapping[str, BoardNotes] | None = None
) -> None:
    """Print rows of the view `leaderboard`, one table for each data set and model, with gains and notes.

    notes: by experiment.
    """
    out = console()
    for experiment, group in groupby(rows, itemgetter("experiment")):
        out.print(f"{experiment}\n" if experiment != "-" else "scores that no finished run lists\n")
        cells = gain_cells(home, experiment=experiment) if selection == Selection() else {}
        _print_boards(out, list(group), selection, cells)
        sentences = notes[experiment].sentences() if notes and experiment in notes else []
        for what, sentence in sentences:
            out.print(f"{what}: {sentence}", soft_wrap=True, markup=False)
        out.print("\n" * bool(sentences), end="")
    _print_legend(out, selection, rows)


def _print_boards(out: Console, rows: Sequence[Row], selection: Selection, cells: Cells) -> None:
    for pair in sorted({BOARD(row) for row in rows}):
        scores = [row for row in rows if BOARD(row) == pair]
        chosen = with_headline(selection, scores)
        if not has_metric(scores, chosen.metric):
            continue
        title = ", ".join(pair) + (f": {METRICS[chosen.metric]}" if chosen != selection else "")
        for each in board(title, scores, selection, out.width):
            out.print(each)
            out.print()
        if pair in cells:
            _print_gains(out, cells[pair], METRICS[headline(scores[0])])


def _print_gains(out: Console, rows: Sequence[Mapping[str, str]], metric: str) -> None:
    names = [name for name in GAINS if any(name in row for row in rows)]
    cells = [[row.get(name, "") for name in ("shots", "method", *names)] for row in rows]
    print_grid(out, f"gains in {metric} [95 %]", ("shots", "method"), names, cells)


def _print_ranks(out: Console, title: str, by_method: Mapping[str, Mapping[str, float]]) -> None:
    shots = sort_shots({n for by_shots in by_method.values() for n in by_shots})
    keys = [Column("method", shorten_names(list(by_method), out.width // 3), number=False)]
    columns = [Column(n, [f"{by[n]:.1f}" if n in by else "" for by in by_method.values()]) for n in shots]
    for each in stack(title, keys, columns, out.width):
        out.print(each)
        out.print()


def _print_legend(out: Console, selection: Selection, rows: Sequence[Row]) -> None:
    """Print the leaderboards of a selection."""
    metric = METRICS[selection.metric] + " over the classes that occur" * (selection.metric == "macro_f1")
    others = {with_headline(selection, [row]).metric for row in rows} - {selection.metric}
    metric += "; of choices accuracy, as places of options are no classes" * ("accuracy" in others)
    metric += "; of continuous targets R²" * ("r2" in others)
    out.print(f"{metric[0].upper()}{metric[1:]}, on test data, mean over seeds, by labeled examples per class.")
    out.print("* best of its column. at: where a method is best, at which the columns behind it are.")
    out.print(
        "95 %: interval over examples and seeds. C, control: never champion. U, unlabeled: learns from unlabeled texts."
    )
    if any(row["method"].endswith(("+random", "+head", "+none")) for row in rows):
        out.print(
            "+random, +head, +none: random vectors, head rows or nothing in place of the anchors: what these add."
        )
    if selection.columns is None and out.width < WIDE:
        names = [name for name in WANTED[4:] if has_metric(rows, name)]
        out.print(f"More columns, whole names: a wider terminal. Or leaderboard --columns {','.join(names)}.")
