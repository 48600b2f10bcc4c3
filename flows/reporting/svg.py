"""Charts as SVG that takes its colors from the page, so that they follow light and dark; all text is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

WIDTH, HEIGHT = 360, 250  # units of a picture, about the pixels of a phone's width: letters of 11 stay legible there
LEFT, END, TOP, FLOOR = 38, WIDTH - 10, 10, HEIGHT - 36  # where what is drawn begins and ends
LOOKS = 7  # colors of the page, c0 to c6; beyond them lines are dashed, points are squares
DOT = 3
HALF = 180  # units of a picture that has another beside it

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A line: its points (x, y), what a pointer on each is told, their intervals and sizes if they have any."""

    name: str
    points: Sequence[Point]
    says: Sequence[str]
    intervals: Sequence[Point] = ()
    radii: Sequence[float] = ()
    ours: bool = False
    level: bool = False
    """Whether a single point is continued as a level line."""


@dataclass(frozen=True)
class Axes:
    """Ranges and ticks in the data's units."""

    x: Point
    y: Point
    x_ticks: Mapping[str, float]
    y_ticks: Mapping[str, float]
    x_label: str
    y_label: str
    diagonal: bool = False

    def place(self, x: float, y: float) -> Point:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return round(LEFT + across * (END - LEFT), 2), round(FLOOR - up * (FLOOR - TOP), 2)


def lines(alt: str, series: Sequence[Series], axes: Axes) -> Markup:
    """Lines over each other, ours on top, then the names beside their looks; a pointer on a name brings its line out.

    `alt` says what is to be seen for those who do not see it.
    """
    parts = [_frame(axes)]
    for index, one in sorted(enumerate(series), key=lambda item: item[1].ours):
        places = [axes.place(*point) for point in one.points]
        path = "M" + "L".join(f"{x} {y}" for x, y in places)
        drawn = [Markup('<path class="line" d="{}"/>').format(path)]
        if one.level and len(places) == 1:
            drawn.append(Markup('<path class="level" d="M{} {}H{}"/>').format(LEFT, places[0][1], END))
        for (x, _), (low, high) in zip(one.points, one.intervals, strict=False):
            (across, bottom), (_, top) = axes.place(x, low), axes.place(x, high)
            drawn.append(Markup('<path class="interval" d="M{} {}V{}"/>').format(across, bottom, top))
        radii = one.radii or [DOT] * len(places)
        for (x, y), radius, said in zip(places, radii, one.says, strict=True):
            drawn.append(Markup('<circle cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(x, y, radius, said))
        parts.append(Markup('<g class="{}">{}</g>').format(_look(index, one.ours), Markup("").join(drawn)))
    key = Markup('<path class="line" d="M1 5H23"/><circle cx="12" cy="5" r="3"/>')
    names = {_look(index, one.ours): one.name for index, one in enumerate(series)}
    return _svg(alt, (WIDTH, HEIGHT), parts) + _legend(names, key, 24)


def classes_legend(names: Sequence[str]) -> Markup:
    key = Markup('<path class="dots" d="M5 5h0"/>')
    return _legend({_look(index): name for index, name in enumerate(names)}, key, 10)


def scatter(alt: str, points: np.ndarray, labels: np.ndarray, classes: int) -> Markup:
    """Points (N, 2) in the colors of their classes (N,), on one scale for both directions."""
    size, middle = HALF, (points.max(axis=0) + points.min(axis=0)) / 2
    reach = max(float(np.abs(points - middle).max()), 1e-12) * 1.05
    places = size / 2 + (points - middle) / reach * size / 2 * np.array([1, -1])
    parts = [Markup('<rect class="frame" width="{0}" height="{0}"/>').format(size)]
    for label in range(classes):
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places[labels == label])
        parts.append(Markup('<path class="dots {}" d="{}"/>').format(_look(label), dots))
    return _svg(alt, (size, size), parts)


def shares(low: float, high: float) -> tuple[Point, dict[str, float]]:
    """A range with whole ticks around values between 0 and 1, and its ticks."""
    step = 0.1 if high - low <= 0.6 else 0.2
    bottom, top = max(0, int(np.floor(low / step))), int(np.ceil(high / step - 1e-9))
    ticks = [round(n * step, 1) for n in range(bottom, max(top, bottom + 1) + 1)]
    return (ticks[0], ticks[-1]), {f"{tick:.1f}": tick for tick in ticks}


def _look(index: int, ours: bool = False) -> str:
    return f"m{index} c{index % LOOKS}" + (" second" if index // LOOKS % 2 else "") + (" ours" if ours else "")


def _legend(names: Mapping[str, str], key: Markup, width: int) -> Markup:
    """`names` by their looks, each beside a small picture."""
    item = Markup('<li class="{0}"><svg class="key {1}" viewBox="0 0 {2} 10" aria-hidden="true">{3}</svg>{4}</li>')
    items = [item.format(look.partition(" ")[0], look, width, key, name) for look, name in names.items()]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def _frame(axes: Axes) -> Markup:
    parts = []
    for name, y in axes.y_ticks.items():
        _, down = axes.place(axes.x[0], y)
        parts.append(Markup('<path class="grid" d="M{} {}H{}"/>').format(LEFT, down, END))
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(LEFT - 5, down + 4, name))
    middle = Markup('<text x="{}" y="{}" text-anchor="middle"{}>{}</text>')
    for name, x in axes.x_ticks.items():
        across, _ = axes.place(x, axes.y[0])
        parts.append(middle.format(across, FLOOR + 15, "", name))
    if axes.diagonal:
        (x, y), (right, up) = axes.place(0, 0), axes.place(1, 1)
        parts.append(Markup('<path class="diagonal" d="M{} {}L{} {}"/>').format(x, y, right, up))
    label = Markup(' class="label"')
    parts.append(middle.format((LEFT + END) / 2, HEIGHT - 4, label, axes.x_label))
    upright = Markup('<text class="label" transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>')
    parts.append(upright.format((TOP + FLOOR) / 2, axes.y_label))
    return Markup("").join(parts)


def _svg(alt: str, shape: tuple[int, int], parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="chart" role="img" viewBox="0 0 {} {}" aria-label="{}">{}</svg>').format(
        *shape, alt, Markup("").join(parts)
    )
