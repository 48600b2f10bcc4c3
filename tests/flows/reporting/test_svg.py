"""Charts by what they draw: positions of points and intervals, colors, tooltips; and as files of their own."""

import base64
import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from flows.reporting.svg import Axes, LineChart, Series, classes_legend, data_uri, scatter, unit_axis
from flows.reporting.templating import LIGHT, render_template
from tests.flows.browser import PHONE_HEAD, show, tab

AXES = Axes((0, 1), (0, 1), {"0": 0, "1": 1}, {"0.0": 0, "1.0": 1}, "x", "y & z")
SERIES = [
    Series("ours", [(0, 0), (1, 1)], ["<first>", "second"], [(0, 0.5), (0.5, 1)], highlighted=True),
    Series("other", [(0.5, 0.5)], ["third"], level=True),
]
SVG = "{http://www.w3.org/2000/svg}"


def inline(alt, series):
    return LineChart(alt, series, AXES).inline()


def elements(svg, tag, part=0):
    """Of the chart, or of the legend below it (part 1)."""
    return list(ET.fromstring(f"<figure>{svg}</figure>")[part].iter(tag))


def test_points_stand_where_the_axes_put_them_and_the_highlighted_are_on_top():
    svg = inline("a description", SERIES)
    assert elements(svg, "svg")[0].get("aria-label") == "a description"
    groups = elements(svg, "g")
    assert ["ours" in group.get("class").split() for group in groups] == [False, True]
    third, first, second = ((float(c.get("cx")), float(c.get("cy"))) for c in elements(svg, "circle"))
    assert third == pytest.approx(np.mean([first, second], axis=0))
    assert first[0] < second[0]
    assert first[1] > second[1], "y grows downwards in SVG"
    assert [title.text for title in elements(svg, "title")] == ["third", "<first>", "second"]


def test_intervals_are_drawn_through_their_points_and_a_level_goes_all_the_way():
    svg = inline("", SERIES)
    sampled = [path.get("d") for path in elements(svg, "path") if path.get("class") == "interval"]
    ends = [tuple(map(float, re.fullmatch(r"M([\d.]+) ([\d.]+)V([\d.]+)", path).groups())) for path in sampled]
    _, *points = ((float(c.get("cx")), float(c.get("cy"))) for c in elements(svg, "circle"))
    assert [(across, pytest.approx(low)) for across, low, _ in ends[:1]] == [points[0]]
    assert [(across, pytest.approx(high)) for across, _, high in ends[1:]] == [points[1]]
    assert len([path for path in elements(svg, "path") if path.get("class") == "level"]) == 1


def test_the_legend_has_the_styles_of_the_lines():
    svg = inline("", SERIES)
    styles = {group.get("class") for group in elements(svg, "g")}
    assert {key.get("class").removeprefix("key ") for key in elements(svg, "svg", 1)} == styles
    assert "<b>" not in inline("", [Series("<b>", [], [])])
    assert len({s.get("class") for s in elements(classes_legend([f"class {n}" for n in range(14)]), "svg")}) == 14


def test_a_scatter_keeps_proportions_and_leaves_no_point_out():
    points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0]])
    svg = scatter("", points, np.array([0, 0, 1, 1]), 3)
    paths = [path.get("d") for path in elements(svg, "path")]
    sampled = np.array(
        [[tuple(map(float, dot)) for dot in re.findall(r"M([\d.]+) ([\d.]+)h0", path)] for path in paths[:2]]
    )
    assert sampled[0, 1, 0] - sampled[0, 0, 0] == pytest.approx(2 * (sampled[0, 0, 1] - sampled[1, 0, 1]), abs=0.3)
    assert paths[2] == "", "a class without points"
    scatter("", np.zeros((3, 2)), np.zeros(3, int), 1)


@pytest.mark.parametrize(
    ("low", "high", "span", "ticks"),
    [(0.31, 0.58, (0.3, 0.6), 4), (0.05, 0.97, (0, 1), 6), (0.5, 0.5, (0.5, 0.6), 2), (0, 1, (0, 1), 6)],
)
def test_ticks_are_whole_and_around_the_values(low, high, span, ticks):
    limits, marks = unit_axis(low, high)
    assert limits == pytest.approx(span)
    assert len(marks) == ticks


def test_a_picture_has_the_chart_a_title_names_at_the_lines_and_its_own_colors():
    extra = Series("extra", [(0.2, 0.2)], ["fourth"], on_demand=True)
    chart = LineChart("a < b", [*SERIES, extra], AXES)
    picture = ET.fromstring(chart.picture("data & model"))
    assert picture.get("aria-label") == "a < b"
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts[0] == "data & model"
    assert texts[-2:] == ["ours", "other"], "what is shown on demand is left out"
    assert len(list(picture.iter(f"{SVG}circle"))) == 3
    (style,) = (element.text for element in picture.iter(f"{SVG}style"))
    assert "var(" not in style
    assert f".c0 {{ color: {LIGHT['c0']}; }}" in style
    assert picture.find(f"{SVG}rect").get("class") == "ground"
    assert chart.picture("same") == chart.picture("same")


def test_a_large_chart_shows_more_lines_as_their_boxes_are_checked(tmp_path):
    series = [Series(f"m{n}", [(0, n / 9), (1, n / 9)], ["", ""], on_demand=n > 1) for n in range(9)]
    page = tmp_path / "page.html"
    drawing = LineChart("", series, AXES).large()
    page.write_text(f"{PHONE_HEAD}<style>{render_template('page.css')}</style><main><figure>{drawing}</figure></main>")
    lines = "[...document.querySelectorAll('svg.chart .line')].filter(l => l.getClientRects().length).length"
    names = """[...document.querySelectorAll('svg.chart .label')].filter(l => l.getClientRects().length)
      .map(l => l.textContent)"""
    with tab() as browser:
        for width, named in ((1280, ["m0", "m1"]), (360, [])):
            show(browser, page, width=width)
            assert browser.js(lines) == 2
            assert sorted(name for name in browser.js(names) if name.startswith("m")) == named
            browser.js("document.querySelector('li.m5 input').click()")
            assert browser.js(lines) == 3
            assert sorted(name for name in browser.js(names) if name.startswith("m")) == [*named, *["m5"][: len(named)]]
            assert browser.js("document.documentElement.scrollWidth") <= width


def test_a_data_uri_holds_the_picture():
    head, _, body = data_uri("<svg>é</svg>").partition(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(body).decode() == "<svg>é</svg>"


@pytest.mark.parametrize("name", ["short", "a_method_of_some_length", "x" * 70])
def test_nothing_of_a_picture_is_cut_off_in_a_browser(tmp_path, name):
    series = [Series(f"{name} {n}", [(n / 16, n / 16)], [""], [(0, 1)]) for n in range(16)]
    title = "a_data_set_of_some_length, smollm2-135m-instruct: which has its own template"
    (tmp_path / "chart.svg").write_text(LineChart("", series, AXES).picture(title))
    with tab() as browser:
        browser.open((tmp_path / "chart.svg").as_uri())
        browser.wait("document.readyState === 'complete' && document.querySelector('svg')", "the picture")
        right, bottom = browser.js("(b => [b.x + b.width, b.y + b.height])(document.documentElement.getBBox())")
        width, height = browser.js("(v => [v.width, v.height])(document.documentElement.viewBox.baseVal)")
        assert (right, bottom) == pytest.approx((width, height)), "of the ground, which everything is inside"
        overlaps = """(boxes => boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.right > b.left
            && b.right > a.left && a.bottom > b.top + 3 && b.bottom > a.top + 3)).length)
            ([...document.querySelectorAll('g[class^="m"] > .label')].map(t => t.getBoundingClientRect()))"""
        assert browser.js(overlaps) == 0, "names at the lines, but for the space between them"
        assert browser.errors == []


# Viénot, Brettel and Mollon (1999): what a deuteranope and a protanope see of linear RGB
SEEN = {
    "deuteranope": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "protanope": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
}


@pytest.mark.parametrize("eyes", SEEN)
def test_colors_differ_for_the_color_blind(eyes):
    colors = [color for name, color in LIGHT.items() if re.fullmatch(r"c\d", name)]
    channels = np.array([[int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)] for color in colors])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = linear @ np.array(SEEN[eyes]).T
    for one, other in itertools.combinations(seen, 2):
        assert np.abs(one - other).max() > 0.05
