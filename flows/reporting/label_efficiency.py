"""Chart the macro-F1, of choices the accuracy, of each method by labeled examples per class, with its 95 % interval."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from flows.planning.contrasts import REFERENCE
from flows.reporting.svg import Axes, LineChart, Series, unit_axis
from vocabsem.datasets.shots import shots_text
from vocabsem.label_kinds import HEADLINES, headline
from warehouse.catalog.index import shots_order

SPREAD = 0.5  # of the methods at one number of shots, in steps of log2, so that their intervals stay apart
FEW = 5  # methods that are all shown
MARGIN = 0.6  # beside the first and the last number of shots, in steps of log2
X_LABEL = "labeled examples per class (shots)"


def label_efficiency(dataset: str, rows: Iterable[Mapping[str, Any]]) -> LineChart:
    """Return the chart of the scores of one model on one data set.

    The axis is logarithmic between the numbers of shots, with 0 to their left and `all` to their right. A method with
    one point that needs no labels is also a level line, to compare it with those that do. The reference method is
    highlighted and named first, then its controls, its best baseline and the best other control. Of more than FEW
    methods the others are shown on demand. rows: of the leaderboard.
    """
    curves: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        curves.setdefault(row["method"], []).append(row)
    shown = _shown(curves)
    metric = headline(next(iter(curves.values()))[0])
    what = HEADLINES[metric]
    names = sorted(curves, key=lambda name: shown.index(name) if name in shown else len(shown))
    x = shot_positions({row["shots"] for curve in curves.values() for row in curve})
    series = []
    for index, name in enumerate(names):
        curve = sorted(curves[name], key=lambda row: x[row["shots"]])
        beside = SPREAD * ((index + 0.5) / len(names) - 0.5)
        series.append(
            Series(
                name,
                [(x[row["shots"]] + beside, row[metric]) for row in curve],
                [_tooltip(row) for row in curve],
                [(row[f"{metric}_low"], row[f"{metric}_high"]) for row in curve],
                highlighted=name == REFERENCE,
                level=[row["shots"] for row in curve] == ["0"],
                on_demand=len(curves) > FEW and name not in shown,
            )
        )
    bounds = [bound for one in series for interval in one.intervals for bound in interval]
    y, ticks = unit_axis(min(bounds), max(bounds))
    axes = Axes((min(x.values()) - MARGIN, max(x.values()) + MARGIN), y, x, ticks, X_LABEL, what)
    name = f"{what[0].upper()}{what[1:]}"
    alt = f"{name} on {dataset} by labeled examples per class, {len(series)} methods; the values are in the table."
    return LineChart(alt, series, axes)


def _shown(curves: Mapping[str, list[Mapping[str, Any]]]) -> list[str]:
    """Return the reference, the best of its baselines, its own controls, and the best of the other controls.

    The best is that of the highest score with the most labels.
    """
    controls = [name for name, curve in curves.items() if curve[0]["control"]]
    own = [name for name in curves if name.partition("+")[0] == REFERENCE]
    baselines = [name for name in curves if name not in controls and name not in own]
    others = [name for name in controls if name not in own]

    def merit(name: str) -> float:
        most = max(curves[name], key=lambda row: shots_order(row["shots"]))
        return float(most[headline(most)])

    best = [max(names, key=merit) for names in (baselines, others) if names]
    ours = [name for name in own if name == REFERENCE or name in controls]
    return [*sorted(ours, key=lambda name: name != REFERENCE), *best]


def shot_positions(shots: set[str]) -> dict[str, float]:
    """Return where each number of shots stands, in order: log2 of it; 0 and `all` a step of 1 outside the rest."""
    numbers = sorted(int(number) for number in shots if number not in ("0", "all"))
    between = {str(number): math.log2(number) for number in numbers}
    left, right = min(between.values(), default=0.0), max(between.values(), default=0.0)
    before = {"0": left - 1.0} if "0" in shots else {}
    return before | between | ({"all": right + 1.0} if "all" in shots else {})


def _tooltip(row: Mapping[str, Any]) -> str:
    metric = headline(row)
    interval = f"[{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"
    return f"{row['method']}, {shots_text(row['shots'])}: {row[metric]:.3f} {interval}"
