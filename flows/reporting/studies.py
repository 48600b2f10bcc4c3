"""Show studies: the chart of one metric by layer beside its null, and their section in a report."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from flows.reporting.svg import Axes, LineChart, Point, Series
from flows.reporting.table import ReportTable

Row = Mapping[str, Any]
STEPS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)  # between ticks
MOST_TICKS = 7
HEADS = ("", "metric", "vectors", "layer", "value", "95 % interval", "null", "n")


def study_picture(rows: Sequence[Row]) -> str:
    """Return the SVG chart of the first metric that has layers: a line for each kind of vectors, a level line for
    those without layers, and the null."""
    first = next((row for row in rows if row["layer"] is not None), rows[0])
    title = f"{first['study']}: {first['metric']} of {first['unit']}, {first['model']}"
    return chart([row for row in rows if all(row[key] == first[key] for key in ("unit", "metric"))]).picture(title)


def chart(rows: Sequence[Row]) -> LineChart:
    """Return the chart of one metric."""
    layers = sorted({row["layer"] for row in rows if row["layer"] is not None})
    left = (layers[0] if layers else 0) - 1.0
    variants: dict[str, list[Row]] = {}
    for row in rows:
        variants.setdefault(row["variant"], []).append(row)
    series = [_series(name, of, left) for name, of in variants.items()]
    longest = max(variants.values(), key=len)
    middle = [(_x(row, left), (row["null_low"] + row["null_high"]) / 2) for row in longest]
    nulls = [(row["null_low"], row["null_high"]) for row in longest]
    texts = [f"null: [{low:.3f}, {high:.3f}]" for low, high in nulls]
    series.append(Series("null", middle, texts, nulls, level=len(middle) == 1))
    ends = [end for one in series for interval in one.intervals for end in interval]
    y, y_ticks = _axis(min(ends), max(ends))
    right = (layers[-1] if layers else 0) + 1.0
    shown = layers[:: math.ceil(len(layers) / 8)] if layers else []
    axes = Axes((left, right), y, {str(layer): layer for layer in shown}, y_ticks, "layer", rows[0]["metric"])
    return LineChart(f"{rows[0]['metric']} of {rows[0]['unit']} by layer, with its null.", series, axes)


def _series(name: str, rows: Sequence[Row], left: float) -> Series:
    ordered = sorted(rows, key=lambda row: _x(row, left))
    return Series(
        name,
        [(_x(row, left), row["value"]) for row in ordered],
        [f"{name}, layer {row['layer']}: {row['value']:.3f}" for row in ordered],
        [(row["low"], row["high"]) for row in ordered],
        level=len(ordered) == 1,
    )


def _x(row: Row, left: float) -> float:
    return left if row["layer"] is None else float(row["layer"])


def _axis(low: float, high: float) -> tuple[Point, dict[str, float]]:
    step = next((step for step in STEPS if (high - low) / step <= MOST_TICKS), (high - low) / MOST_TICKS)
    ticks = [step * n for n in range(math.floor(low / step), math.ceil(high / step - 1e-9) + 1)]
    ticks = ticks if len(ticks) > 1 else [ticks[0], ticks[0] + step]
    return (ticks[0], ticks[-1]), {f"{tick:.2f}".rstrip("0").rstrip("."): tick for tick in ticks}


class HasStudies(Protocol):
    """Results of a model with the latest values of its studies."""

    @property
    def studies(self) -> Sequence[Row]: ...


def study_tables(results: HasStudies) -> list[ReportTable]:
    """Return a table for each study card: of every metric, the value over vectors and layers farthest from its null."""
    tables = []
    for (study, card), group in groupby(results.studies, itemgetter("study", "card")):
        values: dict[tuple[str, str], list[Row]] = {}
        for row in group:
            values.setdefault((row["unit"], row["metric"]), []).append(row)
        note = (
            f"`vocabsem study {card}`: of each metric, over vectors and layers, the value farthest from the middle of"
            " its null, above or below, chosen on the same data."
        )
        farthest = [max(of, key=_from_null) for of in values.values()]
        tables.append(ReportTable(f"Study: {study}", note, HEADS, [_cells(row) for row in farthest]))
    return tables


def _from_null(row: Row) -> float:
    return float(abs(row["value"] - (row["null_low"] + row["null_high"]) / 2))


def _cells(row: Row) -> list[str]:
    layer = "" if row["layer"] is None else str(row["layer"])
    interval, null = (
        f"[{row[low]:.3f}, {row[high]:.3f}]" for low, high in (("low", "high"), ("null_low", "null_high"))
    )
    return [row["unit"], row["metric"], row["variant"], layer, f"{row['value']:.3f}", interval, null, f"{row['n']:,}"]
