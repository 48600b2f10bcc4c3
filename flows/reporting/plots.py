"""Figures of an experiment: readable at a phone's width, by the color-blind, and printed in gray.

Plain `Figure` objects: no global state, so tasks may draw in any thread.
"""

import base64
import io
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

WIDTH = 4.8  # inches: 720 pixels at 150 per inch, so that 9-point letters stay legible on a phone
PER_INCH = 150
# Okabe and Ito (2008): told apart with every kind of color vision
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "os^Dvph*X"
STYLES = ("-", "--", ":", "-.")
TITLE_CHARACTERS = 48  # in a line of that width
SPREAD = 0.5  # of the methods at one number of shots, in steps of log2, so that their intervals can be told apart
OURS = "vocabulary_calibrator"  # stands out

Curve = Sequence[tuple[str, float, float, float]]


def label_efficiency(title: str, curves: Mapping[str, Curve]) -> Figure:
    """Macro-F1 with its 95 % interval by labeled examples per class; a curve is [(shots, value, low, high), …].

    The axis is logarithmic between the numbers that occur, with 0 to their left and `all` to their right. A method
    with one point that needs no labels is drawn as a level line, for comparison with those that do. Ours is drawn
    above the others and named first.
    """
    figure = _figure(title, 3.8 + 0.17 * len(curves))
    axes = figure.subplots()
    where = places({shots for curve in curves.values() for shots, *_ in curve})
    for index, method in enumerate(sorted(curves, key=lambda name: name != OURS)):
        look = {"color": COLORS[index % len(COLORS)], "zorder": 4 if method == OURS else 3}
        style, weight = STYLES[index // len(COLORS) % len(STYLES)], 2.0 if method == OURS else 0.9
        points = sorted((where[shots], value, low, high) for shots, value, low, high in curves[method])
        x, value, low, high = (np.array(column) for column in zip(*points, strict=True))
        x = x + spread(index, len(curves))
        if len(points) == 1 and curves[method][0][0] == "0":
            axes.axhline(value[0], linewidth=0.6, linestyle=":", **look)
        marks = {"marker": MARKS[index % len(MARKS)], "markersize": 3 + weight}
        axes.plot(x, value, linestyle=style, linewidth=weight, label=method, **marks, **look)
        axes.vlines(x, low, high, linewidth=weight, alpha=1 if method == OURS else 0.4, **look)
    axes.set_xticks(list(where.values()), list(where))
    axes.set(xlabel="labeled examples per class (shots)", ylabel="macro-F1 on test data, 95 % interval")
    axes.grid(axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    _legend_below(figure, axes)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as PNG; the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def data_uri(figure: Figure) -> str:
    """The figure inside an address, for pages that cannot fetch a file."""
    return f"data:image/png;base64,{base64.b64encode(png(figure)).decode()}"


def _figure(title: str, height: float) -> Figure:
    figure = Figure(figsize=(WIDTH, height), dpi=PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join(textwrap.wrap(title, TITLE_CHARACTERS)), fontsize=11)
    return figure


def spread(index: int, methods: int) -> float:
    """How far beside its number of shots a method is drawn."""
    return SPREAD * ((index + 0.5) / methods - 0.5)


def places(shots: set[str]) -> dict[str, float]:
    """Where each number of shots stands, in order: log2 of it; 0 and `all` a step of 1 outside the rest."""
    numbers = sorted(int(number) for number in shots if number not in ("0", "all"))
    places = {str(number): float(np.log2(number)) for number in numbers}
    left, right = (min(places.values(), default=0.0), max(places.values(), default=0.0))
    outside = {"0": left - 1.0} if "0" in shots else {}
    return outside | places | ({"all": right + 1.0} if "all" in shots else {})


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(len, labels), default=0)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2 if longest < 30 else 1, fontsize=8, frameon=False
    )
