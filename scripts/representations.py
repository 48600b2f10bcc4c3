"""Draw what representations cost and yield, from the table of docs/encoders.md: `python -m scripts.docs` writes it."""

import math
from pathlib import Path

from flows.reporting.svg import Axes, LineChart, Series, unit_axis

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "representations.svg"
PAGE, HEADING = ROOT / "docs" / "encoders.md", "## Which representation for my labels?"
NAMES = {
    "TF-IDF": "no model, `tfidf` on whole texts",
    "BERT-tiny": "BERT-tiny, `vocabulary_calibrator`",
    "MiniLM": "MiniLM, `vocabulary_calibrator`",
    "SmolLM2": "SmolLM2-135M, `vocabulary_calibrator`",
}
MARGIN = 0.45  # beside the first and the last, in powers of ten
X_LABEL = "representation: milliseconds, bytes of a text"
TITLE = "Macro-F1 by labels per class, mean of three data sets"


def representations() -> tuple[list[str], dict[str, list[str]]]:
    """Return the heads of the table's columns, and the cells of each representation by its name."""
    lines = PAGE.read_text(encoding="utf-8").partition(f"{HEADING}\n")[2].splitlines()
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    by_first = {row[0]: row[1:] for row in reversed(rows)}
    return rows[0][1:], {name: by_first[first] for name, first in NAMES.items()}


def chart() -> LineChart:
    """Return a line for each number of labels, over the milliseconds that a text takes; without a model at the left."""
    heads, cells = representations()
    cost = {name: dict(zip(heads, row, strict=True)) for name, row in cells.items()}
    timed = {name: math.log10(float(row["ms"])) for name, row in cost.items() if row["ms"]}
    x = {name: timed.get(name, min(timed.values()) - 1) for name in cost}
    ticks = {
        (f"{name}: {cost[name]['ms']}, {cost[name]['bytes']}" if name in timed else f"{name}: no model"): at
        for name, at in x.items()
    }
    series = [
        Series(
            f"{shots} per class" if shots != "0" else "no labels",
            [(x[name], float(row[shots])) for name, row in cost.items() if row[shots]],
            [f"{name}, {shots} labels per class: {row[shots]}" for name, row in cost.items() if row[shots]],
        )
        for shots in heads
        if shots.isdigit()
    ]
    scores = [score for one in series for _, score in one.points]
    y, y_ticks = unit_axis(min(scores), max(scores))
    axes = Axes((min(x.values()) - MARGIN, max(x.values()) + MARGIN), y, ticks, y_ticks, X_LABEL, "macro-F1")
    return LineChart(f"{TITLE}; the values are in the table of docs/encoders.md.", series, axes)


def picture() -> str:
    """Return the chart as an SVG file."""
    return chart().picture(TITLE)
