"""Print diagnostics: the bias of a model on a data set, and anchors compared with its logits."""

import sys
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from rich.console import Console

from flows.cli.console import console, print_grid
from warehouse.catalog import reads
from warehouse.catalog.export import render
from warehouse.home import Home

BIAS = ("deficit", "largest_share")
AGREEMENT = ("spearman", "top1", "top10", "macro_f1")
SIMILARITY = ("label_cosine", "neighbors")
NOTE = (
    "deficit: log C − entropy of the mean prediction, nats. spearman, top1, top10: agreement with the model's logits\n"
    "over the whole vocabulary; macro_f1: of the most probable label word, without labels. label_cosine, neighbors:\n"
    "similarity to the raw, unrounded vectors."
)


def show(home: Home, keys: Sequence[str], as_json: bool) -> None:
    """Print the diagnostics with these keys, two tables for each model and data set."""
    rows = reads.diagnostics(home, list(keys))
    if as_json:
        render(rows, "json", sys.stdout.buffer)
        return
    out = console()
    for (dataset, model), group in groupby(rows.to_pylist(), itemgetter("dataset", "model")):
        metrics = list(group)
        _print_table(out, f"{dataset}, {model}", metrics, ("subject",), BIAS)
        _print_table(out, "", metrics, ("subject", "states", "similarity"), AGREEMENT)
        _print_table(out, "", metrics, ("subject",), SIMILARITY)
    out.print(NOTE)


def _print_table(
    out: Console, title: str, rows: list[dict[str, Any]], names: Sequence[str], metrics: Sequence[str]
) -> None:
    """Print a table with a row for each value of `names`, in order, and a column for each of the `metrics`."""
    cells: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        if row["figure"] in metrics:
            cells.setdefault(tuple(row[name] for name in names), {})[row["figure"]] = row["value"]
    lines = [[*key, *(f"{by_metric[metric]:.3f}" for metric in metrics)] for key, by_metric in cells.items()]
    print_grid(out, title, names, metrics, lines)
