"""A leaderboard as tables for a terminal of any width: a row a method, a column a number of shots, other metrics."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table
from rich.text import Text

from flows.cli.console import Column, stack, table, width_of
from flows.cli.short_names import shorten_names
from flows.reporting.effects import sort_shots
from vocabsem.evaluation.kind_metrics import OF_KIND, kinds_with
from vocabsem.label_kinds import headline
from warehouse.catalog.index import shots_order

Row = Mapping[str, Any]

METRICS = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "nll": "NLL",
    "ece": "ECE",
    "brier": "Brier",
    "micro_f1": "micro-F1",
    "qwk": "QWK",
    "mae": "MAE",
    "r2": "R²",
    "spearman": "Spearman",
    "rmse": "RMSE",
    "fit_seconds": "fit s",
}
LOWER_IS_BETTER = {"nll", "ece", "brier", "mae", "rmse", "fit_seconds"}
FLAGS = {"control": "C", "unlabeled": "U"}  # with their heads and marks where there is little room
HEADS = METRICS | {"shots": "at", "control": "control", "unlabeled": "unlabeled", "interval": "95 %"}
HEADS |= {"spread": "spread", "n_seeds": "seeds", "ari_before": "ARI before", "ari_after": "ARI after"}
# The columns beside those of the shots, the most wanted first.
WANTED = ("shots", *FLAGS, "interval", "micro_f1", "qwk", "spearman", "mae", "rmse", "nll", "ece", "fit_seconds")
WANTED += ("accuracy", "brier", "spread", "n_seeds")
NAMES = 0.28  # of the width, at most


@dataclass(frozen=True)
class Selection:
    """The scores and columns that a leaderboard shows."""

    metric: str = "macro_f1"
    """The metric by shots."""
    top: int | None = None
    """How many methods; None is every one."""
    columns: tuple[str, ...] | None = None
    """Names in HEADS; None is as many of WANTED as fit."""
    sort: str | None = None
    """What the methods are sorted by: method, a number of shots or a name in HEADS; None is their best score."""


def board(title: str, rows: Iterable[Row], selection: Selection, width: int) -> list[Table]:
    """Return the scores of one model on one data set as one table, or several where `width` is too small for one.

    The best score at each number of shots is marked. The columns beside them are of the number of shots at which the
    method is best. Where all columns fit, each macro-F1, of choices each accuracy, has its interval.
    """
    scores: dict[str, dict[str, Row]] = {}
    selection = with_headline(selection, rows := list(rows))
    for row in rows:
        scores.setdefault(row["method"], {})[row["shots"]] = row
    metric = selection.metric
    best = best_of(scores, metric)
    methods = sort_methods(scores, best, selection)[: selection.top]
    styles = ["dim" if best[method]["control"] else "" for method in methods]
    shots = sort_shots({n for by_shots in scores.values() for n in by_shots})
    marked = {n: min(merit(by_shots[n], metric)[0] for by_shots in scores.values() if n in by_shots) for n in shots}

    def by_shots(interval: bool) -> list[Column]:
        rows_of = {n: [scores[method].get(n) for method in methods] for n in shots}
        return [Column(n, [_cell(row, metric, marked[n], interval) for row in rows_of[n]]) for n in shots]

    def others(names: Iterable[str], heads: Mapping[str, str]) -> list[Column]:
        mark = {name: "yes" if heads is HEADS else heads[name] for name in FLAGS}
        return [
            Column(heads[name], [text(best[m], name, mark.get(name, "")) for m in methods], name not in FLAGS)
            for name in names
        ]

    keys = [Column("method", shorten_names(methods, int(NAMES * width)), number=False)]
    if selection.columns is not None:
        return stack(title, keys, by_shots(False) + others(selection.columns, HEADS), width, styles)
    is_headline = metric == headline(rows[0])
    shown = {metric} if is_headline else {metric, "interval"}
    names = [name for name in WANTED if name not in shown and has_metric(best.values(), name)]
    whole = [by_shots(False) + others(names, HEADS)]
    if is_headline:
        whole.insert(0, by_shots(True) + others([name for name in names if name != "interval"], HEADS | FLAGS))
    for columns in whole:
        if width_of(table(title, keys + columns, styles)) <= width:
            return [table(title, keys + columns, styles)]
    columns = by_shots(False)
    for column in others(names, HEADS | FLAGS):
        if width_of(table(title, [*keys, *columns, column], styles)) > width:
            break
        columns.append(column)
    return stack(title, keys, columns, width, styles)


def with_headline(selection: Selection, rows: Sequence[Row]) -> Selection:
    """Return the selection, with the metric that these rows are judged by where it is to show macro-F1."""
    return replace(selection, metric=headline(rows[0])) if selection.metric == "macro_f1" and rows else selection


def best_of(scores: Mapping[str, Mapping[str, Row]], metric: str) -> dict[str, Row]:
    """Return the best row of each method."""
    return {method: min(by_shots.values(), key=lambda row: merit(row, metric)) for method, by_shots in scores.items()}


def merit(row: Row, name: str) -> tuple[float, float, float]:
    """Return what to sort by, best first: equal scores, but for rounding, go to the lower NLL, then to more labels."""
    value, nll = row[name], row["nll"]
    signed = math.inf if is_unknown(value) else round(value if name in LOWER_IS_BETTER else -value, 12)
    return signed, math.inf if is_unknown(nll) else round(nll, 12), -shots_order(row["shots"])


def has_metric(rows: Iterable[Row], name: str) -> bool:
    """Return whether rows have a column: a metric is NULL where labels are not of its kind."""
    return kinds_with(name) == tuple(OF_KIND) or any(not is_unknown(row[name]) for row in rows)


def interval_of(row: Row) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the metric by which a row is judged."""
    name = headline(row)
    return row[f"{name}_low"], row[f"{name}_high"]


def is_unknown(value: Any) -> bool:
    """Return whether a score is missing or no number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def sort_methods(scores: Mapping[str, Mapping[str, Row]], best: Mapping[str, Row], selection: Selection) -> list[str]:
    """Return the methods in the order of a selection; those without a score there come last."""
    by, metric = selection.sort, selection.metric
    if by == "method":
        return sorted(scores)
    last = (math.inf,) * 3

    def key(method: str) -> tuple[Any, ...]:
        if by is None or by == "interval":
            return *merit(best[method], metric), method
        if by == "shots":
            return shots_order(best[method]["shots"]), method
        if by in HEADS:
            return *merit(best[method], by), method
        row = scores[method].get(by)
        return *(merit(row, metric) if row else last), method

    return sorted(scores, key=key)


def text(row: Row, name: str, mark: str = "") -> str:
    """Return the cell of a column beside those of the shots. mark: of a flag."""
    if name == "interval":
        return "{:.3f}–{:.3f}".format(*interval_of(row))
    value = row[name]
    if name in FLAGS:
        return "?" if value is None else mark if value else ""
    if is_unknown(value):
        return ""
    digits = 2 if name == "fit_seconds" else 3
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _cell(row: Row | None, metric: str, marked: float, interval: bool) -> str | Text:
    if row is None:
        return ""
    score = text(row, metric)
    if not score:
        return score
    if interval:
        score += " [{:.3f}, {:.3f}]".format(*interval_of(row))
    return Text(f"*{score}", style="bold green") if merit(row, metric)[0] == marked else score
