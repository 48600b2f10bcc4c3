"""Summarize the scores of an experiment: gains over random anchors at each number of shots, and average ranks."""

from itertools import groupby
from operator import itemgetter
from statistics import fmean
from typing import Any

from flows.planning.contrasts import REFERENCE
from warehouse.catalog import reads
from warehouse.home import Home

VARIANTS = {"anchors over random": "anchors only", "head over random": "head rows only"}


def gains(
    home: Home, run: str | None = None, experiment: str | None = None, dataset: str | None = None
) -> dict[tuple[str, str], list[str]]:
    """Return {(data set, model): a line for each number of shots}, of one run or of the latest of each experiment.

    `gain over random anchors: +x.xx [low, high]` is macro-F1 minus macro-F1 with random vectors in place of the label
    words' vectors, with its 95 % interval over examples and seeds; then the same for variants with fewer vectors.
    """
    rows = reads.gains_over_random(home, run, experiment, dataset, first=REFERENCE)
    lines: dict[tuple[str, str], list[str]] = {}
    for (name, model, _, shots), group in groupby(rows, itemgetter("dataset", "model", "run", "shots")):
        lines.setdefault((name, model), []).append(f"{shots} shots, {_gain(list(group))}")
    return lines


def _gain(rows: list[dict[str, Any]]) -> str:
    """Describe the first row, of the reference method where it was compared, and the variants of its method."""
    first = rows[0]
    variants = [row for row in rows[1:] if row["reference"] == first["reference"] and row["question"] in VARIANTS]
    parts = [f"gain over random anchors: {format_difference(first)}"]
    parts += [f"{VARIANTS[row['question']]}: {format_difference(row)}" for row in variants]
    return ("" if first["method"] == REFERENCE else f"{first['method']}, ") + "; ".join(parts)


def format_difference(row: dict[str, Any]) -> str:
    """Return the difference of a comparison with its interval, as in `+0.31 [+0.28, +0.35]`."""
    return f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


def ranks(home: Home, run: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return {model: {method: {shots: average rank}}}, best first; nothing where there is only one data set."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in reads.run_ranks(home, run):
        table.setdefault(row["model"], {}).setdefault(row["method"], {})[row["shots"]] = row["average_rank"]
    return {model: dict(sorted(by.items(), key=lambda item: fmean(item[1].values()))) for model, by in table.items()}


def shots_order(shots: str) -> float:
    """Return the sort key of a number of shots; `all` is last."""
    return float("inf") if shots == "all" else int(shots)


def sort_shots(shots: set[str]) -> list[str]:
    """Return numbers of shots in ascending order, `all` last."""
    return sorted(shots, key=shots_order)
