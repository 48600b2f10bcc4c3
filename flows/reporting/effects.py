"""What an experiment's scores amount to: what the vocabulary is worth at each number of shots, and average ranks."""

from itertools import groupby
from operator import itemgetter
from statistics import fmean
from typing import Any

from flows.planning.contrasts import REFERENCE
from warehouse.catalog import reads
from warehouse.home import Home

ALONE = {"anchors over random": "anchors alone", "head over random": "head rows alone"}


def worth(
    home: Home, run: str | None = None, experiment: str | None = None, dataset: str | None = None
) -> dict[tuple[str, str], list[str]]:
    """{(data set, model): a line for each number of shots}, of one run or of the latest of each experiment.

    `vocabulary helps: +x.xx [lo, hi]` is macro-F1 minus macro-F1 with random vectors in the place of the label words';
    then the same for its variants with other vectors. The intervals of 95 % are over examples and seeds.
    """
    rows = reads.gains_over_random(home, run, experiment, dataset, first=REFERENCE)
    lines: dict[tuple[str, str], list[str]] = {}
    for (*place, _, shots), group in groupby(rows, itemgetter("dataset", "model", "run", "shots")):
        lines.setdefault(tuple(place), []).append(f"{shots} shots, {_sentence(list(group))}")
    return lines


def _sentence(rows: list[dict[str, Any]]) -> str:
    """Of the first row's method, which is ours where that is there, and of its variants."""
    first = rows[0]
    alike = [row for row in rows if row["reference"] == first["reference"] and row["question"] in ALONE]
    said = [f"vocabulary helps: {signed(first)}"]
    said += [f"{ALONE[row['question']]}: {signed(row)}" for row in alike if row is not first]
    return "; ".join(said if first["method"] == REFERENCE else [f"{first['method']}, {said[0]}", *said[1:]])


def signed(row: dict[str, Any]) -> str:
    """`+0.31 [+0.28, +0.35]`"""
    return f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


def ranks(home: Home, run: str) -> dict[str, dict[str, dict[str, float]]]:
    """{model: {method: {shots: average rank}}}, best first, where there is more than one data set to average over."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in reads.run_ranks(home, run):
        table.setdefault(row["model"], {}).setdefault(row["method"], {})[row["shots"]] = row["average_rank"]
    return {model: dict(sorted(by.items(), key=lambda item: fmean(item[1].values()))) for model, by in table.items()}


def shots_order(shots: str) -> float:
    """Return the sort key of a number of shots; `all` is last."""
    return float("inf") if shots == "all" else int(shots)


def in_order(shots: set[str]) -> list[str]:
    return sorted(shots, key=shots_order)
