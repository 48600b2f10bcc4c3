"""Draw charts as SVG: inline in a page, whose CSS colors them, or as a picture with its own colors. Text is escaped."""

import base64
import textwrap
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from flows.reporting.templating import render_template

WIDTH = 360  # units of a small chart, about the pixels of a phone's width: letters of 11 stay legible there
COLORS = 7  # of the palette, c0 to c6; beyond them lines are dashed, then dotted, and points are squares
RADIUS = 3
HALF = 180  # units of a chart that has another beside it
LINE = 16  # units between lines of a title
LABEL = 26  # units between a chart and the names beside it
APART = 14  # units between two names
CHARACTER = 6.8  # units of a letter of 11; few are wider
KEY = Markup('<path class="line" d="M1 5H23"/><circle cx="12" cy="5" r="3"/>')

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A chart's size, and the sides of its plotting area, in units."""

    width: float
    height: float
    right: float
    left: float = 38
    top: float = 10

    @property
    def bottom(self) -> float:
        """The lower side of the plotting area, above ticks and title."""
        return self.height - 36


SMALL = Box(WIDTH, 250, right=WIDTH - 10)
LARGE = Box(680, 420, right=670)  # without room for names beside it


@dataclass(frozen=True)
class Series:
    """Points (x, y) of a line with a tooltip each, and their intervals if they have any."""

    name: str
    points: Sequence[Point]
    tooltips: Sequence[str]
    intervals: Sequence[Point] = ()
    highlighted: bool = False
    level: bool = False
    """Whether a single point is continued as a level line."""
    on_demand: bool = False
    """Whether the line is left out until a reader asks for it."""


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

    def project(self, x: float, y: float, box: Box = SMALL) -> Point:
        """Return the point in units of the chart."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return round(box.left + across * (box.right - box.left), 2), round(box.bottom - up * (box.bottom - box.top), 2)


@dataclass(frozen=True)
class LineChart:
    """Series over common axes; `alt` describes the chart to those who do not see it."""

    alt: str
    series: Sequence[Series]
    axes: Axes

    def inline(self) -> Markup:
        """Return the chart and its legend for a page of HTML; hovering a name highlights its line."""
        return _svg(self.alt, SMALL, self._drawing(SMALL)) + _legend(self._styles(), KEY, 24)

    def large(self) -> Markup:
        """Return the chart for a page of HTML, with names at its lines, or small where the page is narrow.

        The legend below has a box to check for each line that is shown on demand.
        """
        wide, labels = _with_labels(self.series, self.axes)
        extra = frozenset(_style(index).split()[0] for index, one in enumerate(self.series) if one.on_demand)
        return (
            _svg(self.alt, wide, self._drawing(wide) + labels, "wide")
            + _svg(self.alt, SMALL, self._drawing(SMALL), "narrow")
            + _legend(self._styles(), KEY, 24, extra)
        )

    def picture(self, title: str) -> str:
        """Return an SVG file on a white ground, readable on any page: title, chart, and names at its lines.

        Lines that are shown on demand are left out.
        """
        chart = replace(self, series=[one for one in self.series if not one.on_demand])
        wide, labels = _with_labels(chart.series, chart.axes)
        titles = textwrap.wrap(title, int(wide.width / CHARACTER))
        return render_template(
            "chart.svg",
            alt=self.alt,
            width=wide.width,
            height=wide.height + LINE * len(titles),
            top=LINE * len(titles),
            titles=[(text, LINE * (index + 1)) for index, text in enumerate(titles)],
            drawing=chart._drawing(wide) + labels,
        )

    def _styles(self) -> dict[str, str]:
        return {_style(index, one.highlighted): one.name for index, one in enumerate(self.series)}

    def _drawing(self, box: Box) -> Markup:
        """Return the axes and the lines, the highlighted on top."""
        parts = [_frame(self.axes, box)]
        for index, one in sorted(enumerate(self.series), key=lambda item: item[1].highlighted):
            parts.append(_group(index, one, _line(one, self.axes, box)))
        return Markup("").join(parts)


def _group(index: int, one: Series, content: Markup) -> Markup:
    extra = " extra" if one.on_demand else ""
    return Markup('<g class="{}{}">{}</g>').format(_style(index, one.highlighted), extra, content)


def _with_labels(series: Sequence[Series], axes: Axes) -> tuple[Box, Markup]:
    """Return a large chart's box with room for names on the right, and the names, each joined to its line's end.

    No two names are on each other, whichever lines are shown; those for which there is no room are left out.
    """
    longest = max((len(one.name) for one in series), default=0)
    box = replace(LARGE, width=round(LARGE.right + LABEL + CHARACTER * longest, 1))
    ends = [axes.project(*one.points[-1], box) if one.points else (box.right, box.bottom) for one in series]
    taken: list[float] = []
    parts = []
    for index, one in sorted(enumerate(series), key=lambda item: (item[1].on_demand, ends[item[0]][1])):
        x, y = (box.right if one.level else ends[index][0]), ends[index][1]
        free = [at for at in np.arange(box.top, box.bottom, 1.0) if all(abs(at - each) >= APART for each in taken)]
        if not free:
            continue
        at = min(free, key=lambda each: abs(each - y))
        taken.append(at)
        leader = Markup('<path class="leader" d="M{} {}L{} {}"/>').format(x, y, box.right + LABEL - 4, at)
        text = Markup('<text class="label" x="{}" y="{}">{}</text>').format(box.right + LABEL, at + 4, one.name)
        parts.append(_group(index, one, leader + text))
    return box, Markup("").join(parts)


def data_uri(svg: str) -> str:
    """Return the picture as an address, for pages that cannot fetch a file."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def classes_legend(names: Sequence[str]) -> Markup:
    """Return the legend of a scatter plot."""
    key = Markup('<path class="dots" d="M5 5h0"/>')
    return _legend({_style(index): name for index, name in enumerate(names)}, key, 10)


def scatter(alt: str, points: np.ndarray, labels: np.ndarray, classes: int) -> Markup:
    """Draw points (N, 2) in the colors of their classes (N,), on one scale for both directions."""
    size, middle = HALF, (points.max(axis=0) + points.min(axis=0)) / 2
    reach = max(float(np.abs(points - middle).max()), 1e-12) * 1.05
    scaled = size / 2 + (points - middle) / reach * size / 2 * np.array([1, -1])
    parts = [Markup('<rect class="frame" width="{0}" height="{0}"/>').format(size)]
    for label in range(classes):
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in scaled[labels == label])
        parts.append(Markup('<path class="dots {}" d="{}"/>').format(_style(label), dots))
    return _svg(alt, Box(size, size, size), Markup("").join(parts))


def unit_axis(low: float, high: float) -> tuple[Point, dict[str, float]]:
    """Return a range around values between 0 and 1 that begins and ends at ticks, and the ticks."""
    step = 0.1 if high - low <= 0.6 else 0.2
    bottom, top = max(0, int(np.floor(low / step))), int(np.ceil(high / step - 1e-9))
    ticks = [round(n * step, 1) for n in range(bottom, max(top, bottom + 1) + 1)]
    return (ticks[0], ticks[-1]), {f"{tick:.1f}": tick for tick in ticks}


def _line(one: Series, axes: Axes, box: Box) -> Markup:
    points = [axes.project(*point, box) for point in one.points]
    parts = [Markup('<path class="line" d="{}"/>').format("M" + "L".join(f"{x} {y}" for x, y in points))]
    if one.level and len(points) == 1:
        parts.append(Markup('<path class="level" d="M{} {}H{}"/>').format(box.left, points[0][1], box.right))
    for (x, _), (low, high) in zip(one.points, one.intervals, strict=False):
        (across, bottom), (_, top) = axes.project(x, low, box), axes.project(x, high, box)
        parts.append(Markup('<path class="interval" d="M{} {}V{}"/>').format(across, bottom, top))
    circle = Markup('<circle cx="{}" cy="{}" r="{}"><title>{}</title></circle>')
    parts += [circle.format(*point, RADIUS, text) for point, text in zip(points, one.tooltips, strict=True)]
    return Markup("").join(parts)


def _style(index: int, highlighted: bool = False) -> str:
    """Return the CSS classes of a series: its number, its color, its dashes."""
    dashes = ("", " second", " third")[index // COLORS % 3]
    return f"m{index} c{index % COLORS}{dashes}" + (" ours" if highlighted else "")


def _legend(names: Mapping[str, str], key: Markup, width: int, on_demand: Container[str] = ()) -> Markup:
    """List `names` by their styles, each beside a sample, and behind a box to check where it is shown on demand."""
    items = []
    for style, name in names.items():
        number = style.partition(" ")[0]
        sample = Markup('<svg class="key {}" viewBox="0 0 {} 10" aria-hidden="true">{}</svg>').format(style, width, key)
        box = Markup('<label><input type="checkbox">{}{}</label>') if number in on_demand else Markup("{}{}")
        items.append(Markup('<li class="{}">{}</li>').format(number, box.format(sample, name)))
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def _frame(axes: Axes, box: Box) -> Markup:
    parts = []
    for name, y in axes.y_ticks.items():
        _, down = axes.project(axes.x[0], y, box)
        parts.append(Markup('<path class="grid" d="M{} {}H{}"/>').format(box.left, down, box.right))
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(box.left - 5, down + 4, name))
    middle = Markup('<text x="{}" y="{}" text-anchor="middle"{}>{}</text>')
    for name, x in axes.x_ticks.items():
        across, _ = axes.project(x, axes.y[0], box)
        parts.append(middle.format(across, box.bottom + 15, "", name))
    if axes.diagonal:
        (x, y), (right, up) = axes.project(0, 0, box), axes.project(1, 1, box)
        parts.append(Markup('<path class="diagonal" d="M{} {}L{} {}"/>').format(x, y, right, up))
    label = Markup(' class="label"')
    parts.append(middle.format((box.left + box.right) / 2, box.height - 4, label, axes.x_label))
    upright = Markup('<text class="label" transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>')
    parts.append(upright.format((box.top + box.bottom) / 2, axes.y_label))
    return Markup("").join(parts)


def _svg(alt: str, box: Box, drawing: Markup, kind: str = "") -> Markup:
    classes = " ".join(filter(None, ("chart", kind)))
    return Markup('<svg class="{}" role="img" viewBox="0 0 {} {}" aria-label="{}">{}</svg>').format(
        classes, box.width, box.height, alt, drawing
    )
