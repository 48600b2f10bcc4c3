"""Print diagnostics: the bias of a model on a data set, and anchors compared with its logits."""

import sys
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from rich.console import Console

from flows.cli.console import console, print_grid
from warehouse.catalog import reads
from warehouse.catalog.export import write_table
from warehouse.home import Home

BIAS = ("deficit", "largest_share")
AGREEMENT = ("spearman", "top1", "top10", "macro_f1")
SIMILARITY = ("label_cosine", "neighbors")
WORDS = ("accuracy", "macro_f1", "spearman", "top1")  # of subjects whose names begin with words.
NOTE = (
    "deficit: log C − entropy of the mean prediction, nats. spearman, top1, top10: agreement with the model's logits\n"
    "over the whole vocabulary; macro_f1: of the most probable label word, without labels. label_cosine, neighbors:\n"
    "similarity to the raw, unrounded vectors. words: zero-shot by exact scores of label words of several tokens, and\n"
    "by their approximations, on validation rows; spearman, top1: agreement with the exact ones over the classes."
)


def print_diagnostics(home: Home, keys: Sequence[str], as_json: bool) -> None:
    """Print the diagnostics with these keys, the tables of each model and data set."""
    rows = reads.diagnostics(home, list(keys))
    if as_json:
        write_table(rows, "json", sys.stdout.buffer)
        return
    out = console()
    for (dataset, model), group in groupby(rows.to_pylist(), itemgetter("dataset", "model")):
        every = list(group)
        words = [row for row in every if row["subject"].startswith("words.")]
        metrics = [row for row in every if row not in words]
        _print_table(out, f"{dataset}, {model}", metrics, ("subject",), BIAS)
        _print_table(out, "", metrics, ("subject", "states", "similarity"), AGREEMENT)
        _print_table(out, "", metrics, ("subject",), SIMILARITY)
        if words:
            _print_table(out, "", words, ("subject", "states", "similarity"), WORDS)
    out.print(NOTE)


def _print_table(
    out: Console, title: str, rows: list[dict[str, Any]], names: Sequence[str], metrics: Sequence[str]
) -> None:
    """Print a table with a row for each value of `names`, in order, and a column for each of the `metrics`."""
    cells: dict[tuple[str | None, ...], dict[str, float]] = {}
    for row in rows:
        if row["metric"] in metrics:
            cells.setdefault(tuple(row[name] for name in names), {})[row["metric"]] = row["value"]
    lines = [
        [*(part or "" for part in key), *(f"{by_metric[metric]:.3f}" for metric in metrics)]
        for key, by_metric in cells.items()
    ]
    print_grid(out, title, names, metrics, lines)
