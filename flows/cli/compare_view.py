"""Compare two experiments or two runs: their fits side by side, the differences with intervals."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.progress import track
from rich.text import Text

from flows.cli.board import LOWER_IS_BETTER, METRICS
from flows.cli.console import Column, console, stack
from flows.cli.short_names import shorten_names
from tasks.views.run_comparison import FitDifference, compare_fits, match_fits
from vocabsem.errors import BadInput
from vocabsem.evaluation.comparison import holm
from vocabsem.evaluation.kind_metrics import OF_KIND, kinds_with
from warehouse.catalog import reads
from warehouse.catalog.export import write_table
from warehouse.home import Home

LEVEL = 0.05  # of p after Holm's correction
COMPARED = ("macro_f1", "accuracy", "nll", "ece", "brier", "micro_f1", "qwk", "mae", "r2", "spearman", "rmse")


def find_run(home: Home, name: str) -> dict[str, Any]:
    """Return an experiment's latest run, or the run whose key begins so: key, experiment, started, latest.

    Raises BadInput where there is none, or several.
    """
    runs = reads.find_runs(home, name)
    if not runs:
        known = ", ".join(reads.experiments(home))
        fix = "an earlier run is named by its key: vocabsem sql 'select experiment, started, key from runs'"
        raise BadInput(f"no experiment or run {name!r}: there are {known or 'none yet'}; {fix}")
    if len(runs) > 1 and runs[0]["experiment"] != name:
        keys = ", ".join(f"{run['key'][:12]} of {run['experiment']}" for run in runs)
        raise BadInput(f"several runs have keys that begin with {name!r}: give more of {keys}")
    return runs[0]


def show_comparison(
    home: Home, names: tuple[str, str], metric: str, dataset: str | None, method: str | None, form: str
) -> None:
    """Print the differences of B from A, the second from the first. Raises BadInput where they share no fit."""
    if metric not in COMPARED:
        raise BadInput(f"--metric {metric!r} cannot be compared: choose one of {', '.join(COMPARED)}")
    first, second = (find_run(home, name) for name in names)
    if first["key"] == second["key"]:
        raise BadInput(f"{names[0]} and {names[1]} are one run: give two, by experiment or by key")
    matched = match_fits(home, first["key"], second["key"], dataset, method)
    kinds = kinds_with(metric)
    if kinds != tuple(OF_KIND):
        measured = {row["dataset"] for row in reads.run_scores(home, second["key"]) if row[metric] is not None}
        shared = [row for row in matched.shared if row["dataset"] in measured]
        if matched.shared and not shared and metric == "macro_f1":
            others = sorted({matched.headlines[row["dataset"]] for row in matched.shared})
            raise BadInput(f"what {names[0]} and {names[1]} share has no macro-F1: give --metric {' or '.join(others)}")
        matched = replace(matched, shared=shared)
    if not matched.shared:
        raise BadInput(
            f"{names[0]} and {names[1]} share no fit: the same model, data set, method and shots"
            + f", and labels that have it (label_kind: {' or '.join(kinds)})" * (kinds != tuple(OF_KIND))
        )
    err = Console(stderr=True)
    each = track(
        compare_fits(home, matched, metric), "comparing", len(matched.shared), console=err, transient=True,
        disable=not err.is_terminal,
    )  # fmt: skip
    rows = list(each)
    if form != "table":
        write_table(_table(rows), form, sys.stdout.buffer)
        return
    out = console()
    for letter, name, run in zip("AB", names, (first, second), strict=True):
        of = "" if run["experiment"] == name else f" of {run['experiment']}"
        out.print(f"{letter}: {name}{of}, run {run['key'][:12]} of {run['started']:%Y-%m-%d %H:%M} UTC")
    out.print()
    for (dataset_name, model), group in groupby(rows, lambda row: (row.dataset, row.model)):
        _print_pair(out, f"{dataset_name}, {model}: {METRICS[metric]}", list(group), metric)
    _print_summary(out, rows, metric)
    for letter, count in (("A", matched.only_first), ("B", matched.only_second)):
        if count:
            out.print(f"Only in {letter}: {count} fits.")


def _print_pair(out: Console, title: str, rows: Sequence[FitDifference], metric: str) -> None:
    names = shorten_names([row.method for row in rows], int(0.3 * out.width))
    keys = [Column("method", names, number=False), Column("shots", [row.shots for row in rows])]
    columns = [
        Column("A", [f"{row.first:.3f}" for row in rows]),
        Column("B", [f"{row.second:.3f}" for row in rows]),
        Column("B − A [95 %]", [_cell(row, metric) for row in rows]),
    ]
    for table in stack(title, keys, columns, out.width):
        out.print(table)
        out.print()


def _cell(row: FitDifference, metric: str) -> str | Text:
    gap = row.difference
    if gap is None or row.note:
        return row.note
    text = f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
    if gap.low <= 0 <= gap.high:
        return text
    better = (gap.value > 0) != (metric in LOWER_IS_BETTER)
    return Text(f"*{text}", style="bold green" if better else "bold red")


def _print_summary(out: Console, rows: Sequence[FitDifference], metric: str) -> None:
    tested = [row.difference for row in rows if row.difference and not row.note]
    beyond = [each for each in tested if not each.low <= 0 <= each.high]
    kept = sum(p < LEVEL for p in holm([each.p for each in tested])) if tested else 0
    out.print(
        f"B minus A on test data, paired bootstrap over examples and seeds. * the 95 % interval leaves out 0:"
        f" {len(beyond)} of {len(tested)}, {kept} after Holm's correction at 5 %."
    )
    if metric in LOWER_IS_BETTER:
        out.print(f"{METRICS[metric]}: lower is better.")


def _table(rows: Sequence[FitDifference]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {name: getattr(row, name) for name in ("dataset", "model", "method", "shots", "first", "second")}
            | {name: getattr(row.difference, name, None) for name in ("value", "low", "high", "p")}
            | {"note": row.note}
            for row in rows
        ],
    ).rename_columns({"value": "difference"})
