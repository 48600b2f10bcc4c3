"""What was diagnosed, as tables: the model's bias on a data set, and vectors against its own logits."""

import sys
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from warehouse import catalog
from warehouse.export import render
from warehouse.home import Home

FOUND = "select * exclude (key) from diagnostics where list_contains($keys, key)"
BIAS = ("deficit", "largest_share")
AGREEMENT = ("spearman", "top1", "top10", "macro_f1")
LIKENESS = ("label_cosine", "neighbours")
NOTE = (
    "deficit: log C − entropy of the mean answer, nats. spearman, top1, top10: agreement with the model's own logits\n"
    "over the whole vocabulary; macro_f1: of the likeliest label word, no label used. label_cosine, neighbours:\n"
    "likeness to the raw, unrounded vectors."
)


def show(home: Home, keys: Sequence[str], as_json: bool) -> None:
    """Print the diagnostics with these keys, two tables for each model and data set."""
    rows = catalog.query(home, FOUND, {"keys": list(keys)})
    if as_json:
        render(rows, "json", sys.stdout.buffer)
        return
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=120)
    place = itemgetter("dataset", "model")
    for (dataset, model), group in groupby(rows.to_pylist(), place):
        found = list(group)
        console.print(_table(f"{dataset}, {model}", found, ("subject",), BIAS))
        console.print(_table("", found, ("subject", "states", "similarity"), AGREEMENT))
        console.print(_table("", found, ("subject",), LIKENESS))
    console.print(NOTE)


def _table(title: str, rows: list[dict[str, Any]], names: Sequence[str], figures: Sequence[str]) -> Table:
    """A row for each value of `names`, in the order found; a column for each of the `figures`."""
    cells: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        if row["figure"] in figures:
            cells.setdefault(tuple(row[name] for name in names), {})[row["figure"]] = row["value"]
    table = Table(*names, title=title or None, title_justify="left", box=SIMPLE_HEAD)
    for figure in figures:
        table.add_column(figure, justify="right")
    for values, found in cells.items():
        table.add_row(*values, *(f"{found[figure]:.3f}" for figure in figures))
    return table
