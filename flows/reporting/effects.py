"""Summarize the scores of an experiment: gains over random anchors at each number of shots, and average ranks."""

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from statistics import fmean
from typing import Any

from flows.planning.contrasts import REFERENCE
from vocabsem.datasets.shots import shots_text
from warehouse.catalog import reads
from warehouse.catalog.index import shots_order
from warehouse.home import Home

NONE, RANDOM = "gain over no vocabulary", "gain over random anchors"
VARIANTS = {"anchors over random": "anchors only", "head over random": "head rows only"}
GAINS = (NONE, RANDOM, *VARIANTS.values())


def gains(
    home: Home, run: str | None = None, experiment: str | None = None, dataset: str | None = None
) -> dict[tuple[str, str], list[str]]:
    """Return {(data set, model): a line for each number of shots}: the values of `gain_cells` as text."""
    return {pair: [_line(cells) for cells in rows] for pair, rows in gain_cells(home, run, experiment, dataset).items()}


def gain_cells(
    home: Home, run: str | None = None, experiment: str | None = None, dataset: str | None = None
) -> dict[tuple[str, str], list[dict[str, str]]]:
    """Return {(data set, model): shots, method and gains for each number of shots}, of one run or of the latest of each
    experiment.

    `gain over no vocabulary` is macro-F1 minus macro-F1 of the same method without its prior prediction; `gain over
    random anchors`, minus macro-F1 with random vectors in place of the label words' vectors; with 95 % intervals over
    examples and seeds. Then the latter for variants with fewer vectors. The method is the reference method where it
    was compared.
    """
    rows = reads.gains_over_controls(home, run, experiment, dataset, first=REFERENCE)
    pairs: dict[tuple[str, str], list[dict[str, str]]] = {}
    for (name, model, _, shots), group in groupby(rows, itemgetter("dataset", "model", "run", "shots")):
        of = list(group)
        method = of[0]["method"]
        cells = {"shots": shots, "method": method}
        controls = [row["reference"] for row in of if row["method"] == method]
        for row in of:
            gain = NONE if row["question"].endswith("none") else RANDOM
            column = gain if row["method"] == method else VARIANTS.get(row["question"])
            if column and row["reference"] in controls:
                cells[column] = format_difference(row)
        pairs.setdefault((name, model), []).append(cells)
    return pairs


def _line(cells: Mapping[str, str]) -> str:
    method = "" if cells["method"] == REFERENCE else f"{cells['method']}, "
    parts = [f"{name}: {cells[name]}" for name in GAINS if name in cells]
    return f"{shots_text(cells['shots'])}, {method}{'; '.join(parts)}"


def format_difference(row: dict[str, Any]) -> str:
    """Return the difference of a comparison with its interval, as in `+0.31 [+0.28, +0.35]`."""
    return f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


def ranks(home: Home, run: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return {model: {method: {shots: average rank}}}, best first; nothing where there is only one data set."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in reads.run_ranks(home, run):
        table.setdefault(row["model"], {}).setdefault(row["method"], {})[row["shots"]] = row["average_rank"]
    return {model: dict(sorted(by.items(), key=lambda item: fmean(item[1].values()))) for model, by in table.items()}


def sort_shots(shots: set[str]) -> list[str]:
    """Return numbers of shots in ascending order, `all` last."""
    return sorted(shots, key=shots_order)
