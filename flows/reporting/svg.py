"""Draw charts as SVG: inline in a page, whose CSS colors them, or as a picture with its own colors. Text is escaped."""

import base64
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from flows.reporting.templating import render

WIDTH, HEIGHT = 360, 250  # units of a chart, about the pixels of a phone's width: letters of 11 stay legible there
LEFT, RIGHT, TOP, BOTTOM = 38, WIDTH - 10, 10, HEIGHT - 36  # of the plotting area
COLORS = 7  # of the palette, c0 to c6; beyond them lines are dashed, then dotted, and points are squares
RADIUS = 3
HALF = 180  # units of a chart that has another beside it
LINE = 16  # units between lines of a title or a legend
TITLE_CHARACTERS = 52  # in a line of WIDTH
CHARACTER = 6.8  # units of a letter of 11; few are wider
SAMPLE = 30  # units of a legend's sample of a line
GAP = 8  # units above and below a legend

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """Points (x, y) of a line with a tooltip each, and their intervals and radii if they have any."""

    name: str
    points: Sequence[Point]
    tooltips: Sequence[str]
    intervals: Sequence[Point] = ()
    radii: Sequence[float] = ()
    highlighted: bool = False
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

    def project(self, x: float, y: float) -> Point:
        """Return the point in units of the chart."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return round(LEFT + across * (RIGHT - LEFT), 2), round(BOTTOM - up * (BOTTOM - TOP), 2)


@dataclass(frozen=True)
class LineChart:
    """Series over common axes; `alt` describes the chart to those who do not see it."""

    alt: str
    series: Sequence[Series]
    axes: Axes

    def inline(self) -> Markup:
        """Return the chart and its legend for a page of HTML; hovering a name highlights its line."""
        key = Markup('<path class="line" d="M1 5H23"/><circle cx="12" cy="5" r="3"/>')
        return _svg(self.alt, (WIDTH, HEIGHT), self._drawing()) + _legend(self._styles(), key, 24)

    def picture(self, title: str) -> str:
        """Return an SVG file: title, chart and legend on a white ground, readable on any page."""
        titles = textwrap.wrap(title, TITLE_CHARACTERS)
        names, top = self._styles(), LINE * len(titles)
        longest = SAMPLE + CHARACTER * max(map(len, names.values()), default=0)
        columns = 2 if 2 * longest <= WIDTH else 1
        rows = -(-len(names) // columns)
        legend = [
            (style, name, index // rows * WIDTH / columns, top + HEIGHT + GAP + LINE * (index % rows))
            for index, (style, name) in enumerate(names.items())
        ]
        return render(
            "chart.svg",
            alt=self.alt,
            width=round(max(WIDTH, longest)),
            height=top + HEIGHT + 2 * GAP + LINE * rows,
            top=top,
            titles=[(text, LINE * (index + 1)) for index, text in enumerate(titles)],
            drawing=self._drawing(),
            legend=legend,
            label=SAMPLE,
        )

    def _styles(self) -> dict[str, str]:
        return {_style(index, one.highlighted): one.name for index, one in enumerate(self.series)}

    def _drawing(self) -> Markup:
        """Return the axes and the lines, the highlighted on top."""
        parts = [_frame(self.axes)]
        for index, one in sorted(enumerate(self.series), key=lambda item: item[1].highlighted):
            parts.append(Markup('<g class="{}">{}</g>').format(_style(index, one.highlighted), _line(one, self.axes)))
        return Markup("").join(parts)


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
    return _svg(alt, (size, size), Markup("").join(parts))


def unit_axis(low: float, high: float) -> tuple[Point, dict[str, float]]:
    """Return a range around values between 0 and 1 that begins and ends at ticks, and the ticks."""
    step = 0.1 if high - low <= 0.6 else 0.2
    bottom, top = max(0, int(np.floor(low / step))), int(np.ceil(high / step - 1e-9))
    ticks = [round(n * step, 1) for n in range(bottom, max(top, bottom + 1) + 1)]
    return (ticks[0], ticks[-1]), {f"{tick:.1f}": tick for tick in ticks}


def _line(one: Series, axes: Axes) -> Markup:
    points = [axes.project(*point) for point in one.points]
    parts = [Markup('<path class="line" d="{}"/>').format("M" + "L".join(f"{x} {y}" for x, y in points))]
    if one.level and len(points) == 1:
        parts.append(Markup('<path class="level" d="M{} {}H{}"/>').format(LEFT, points[0][1], RIGHT))
    for (x, _), (low, high) in zip(one.points, one.intervals, strict=False):
        (across, bottom), (_, top) = axes.project(x, low), axes.project(x, high)
        parts.append(Markup('<path class="interval" d="M{} {}V{}"/>').format(across, bottom, top))
    radii = one.radii or [RADIUS] * len(points)
    circle = Markup('<circle cx="{}" cy="{}" r="{}"><title>{}</title></circle>')
    parts += [
        circle.format(*point, radius, text) for point, radius, text in zip(points, radii, one.tooltips, strict=True)
    ]
    return Markup("").join(parts)


def _style(index: int, highlighted: bool = False) -> str:
    """Return the CSS classes of a series: its number, its color, its dashes."""
    dashes = ("", " second", " third")[index // COLORS % 3]
    return f"m{index} c{index % COLORS}{dashes}" + (" ours" if highlighted else "")


def _legend(names: Mapping[str, str], key: Markup, width: int) -> Markup:
    """List `names` by their styles, each beside a sample."""
    item = Markup('<li class="{0}"><svg class="key {1}" viewBox="0 0 {2} 10" aria-hidden="true">{3}</svg>{4}</li>')
    items = [item.format(style.partition(" ")[0], style, width, key, name) for style, name in names.items()]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def _frame(axes: Axes) -> Markup:
    parts = []
    for name, y in axes.y_ticks.items():
        _, down = axes.project(axes.x[0], y)
        parts.append(Markup('<path class="grid" d="M{} {}H{}"/>').format(LEFT, down, RIGHT))
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(LEFT - 5, down + 4, name))
    middle = Markup('<text x="{}" y="{}" text-anchor="middle"{}>{}</text>')
    for name, x in axes.x_ticks.items():
        across, _ = axes.project(x, axes.y[0])
        parts.append(middle.format(across, BOTTOM + 15, "", name))
    if axes.diagonal:
        (x, y), (right, up) = axes.project(0, 0), axes.project(1, 1)
        parts.append(Markup('<path class="diagonal" d="M{} {}L{} {}"/>').format(x, y, right, up))
    label = Markup(' class="label"')
    parts.append(middle.format((LEFT + RIGHT) / 2, HEIGHT - 4, label, axes.x_label))
    upright = Markup('<text class="label" transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>')
    parts.append(upright.format((TOP + BOTTOM) / 2, axes.y_label))
    return Markup("").join(parts)


def _svg(alt: str, shape: tuple[int, int], drawing: Markup) -> Markup:
    return Markup('<svg class="chart" role="img" viewBox="0 0 {} {}" aria-label="{}">{}</svg>').format(
        *shape, alt, drawing
    )
