"""Print the figures of a study: a table for each thing that is measured, each figure beside its null."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from flows.cli.console import console, print_grid

NUMBERS = ("value", "95 % interval", "null", "n")
NOTE = (
    "null: 95 % of the same figure where there is nothing to find. Inside it a figure shows\n"
    "nothing; + is above it, − below. Tables: study_values, study_items."
)
MARKS = {"above": "+", "below": "−", "inside": " "}


def print_study(rows: Sequence[dict[str, Any]], description: str) -> None:
    """Print the description and every figure, in the order in which they were measured."""
    out = console()
    out.print(description, soft_wrap=True)
    named = itemgetter("unit", "metric")
    ordered = sorted(rows, key=lambda row: list(dict.fromkeys(map(named, rows))).index(named(row)))
    for (unit, metric), group in groupby(ordered, named):
        lines = [
            [
                row["variant"],
                "" if row["layer"] is None else str(row["layer"]),
                f"{row['value']:.3f} {MARKS[row['beside_null']]}",
                f"[{row['low']:.3f}, {row['high']:.3f}]",
                f"[{row['null_low']:.3f}, {row['null_high']:.3f}]",
                f"{row['n']:,}",
            ]
            for row in group
        ]
        print_grid(out, f"{unit}: {metric}", ("vectors", "layer"), NUMBERS, lines)
    out.print(NOTE)
