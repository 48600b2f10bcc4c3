"""What was diagnosed, as tables: the model's bias on a data set, and vectors against its own logits."""

import sys
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from rich.table import Table

from flows.cli.console import console, grid
from warehouse.catalog import reads
from warehouse.catalog.export import render
from warehouse.home import Home

BIAS = ("deficit", "largest_share")
AGREEMENT = ("spearman", "top1", "top10", "macro_f1")
LIKENESS = ("label_cosine", "neighbors")
NOTE = (
    "deficit: log C − entropy of the mean answer, nats. spearman, top1, top10: agreement with the model's own logits\n"
    "over the whole vocabulary; macro_f1: of the likeliest label word, no label used. label_cosine, neighbors:\n"
    "likeness to the raw, unrounded vectors."
)


def show(home: Home, keys: Sequence[str], as_json: bool) -> None:
    """Print the diagnostics with these keys, two tables for each model and data set."""
    rows = reads.diagnostics(home, list(keys))
    if as_json:
        render(rows, "json", sys.stdout.buffer)
        return
    out = console()
    for (dataset, model), group in groupby(rows.to_pylist(), itemgetter("dataset", "model")):
        found = list(group)
        out.print(_table(f"{dataset}, {model}", found, ("subject",), BIAS))
        out.print(_table("", found, ("subject", "states", "similarity"), AGREEMENT))
        out.print(_table("", found, ("subject",), LIKENESS))
    out.print(NOTE)


def _table(title: str, rows: list[dict[str, Any]], names: Sequence[str], figures: Sequence[str]) -> Table:
    """A row for each value of `names`, in the order found; a column for each of the `figures`."""
    cells: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        if row["figure"] in figures:
            cells.setdefault(tuple(row[name] for name in names), {})[row["figure"]] = row["value"]
    lines = [[*values, *(f"{found[figure]:.3f}" for figure in figures)] for values, found in cells.items()]
    return grid(title, names, figures, lines)
