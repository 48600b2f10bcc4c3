"""Charts are looked at by what they draw: where points and intervals stand, in which colors, and what is told."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from flows.reporting.svg import Axes, Series, classes_legend, lines, scatter, shares

AXES = Axes((0, 1), (0, 1), {"0": 0, "1": 1}, {"0.0": 0, "1.0": 1}, "x", "y & z")
SERIES = [
    Series("ours", [(0, 0), (1, 1)], ["<first>", "second"], [(0, 0.5), (0.5, 1)], ours=True),
    Series("other", [(0.5, 0.5)], ["third"], level=True),
]


def elements(svg, tag, part=0):
    """Of the picture, or of the legend below it (part 1)."""
    return list(ET.fromstring(f"<figure>{svg}</figure>")[part].iter(tag))


def test_points_stand_where_the_axes_put_them_and_ours_is_on_top():
    svg = lines("what is seen", SERIES, AXES)
    assert elements(svg, "svg")[0].get("aria-label") == "what is seen"
    groups = elements(svg, "g")
    assert ["ours" in group.get("class").split() for group in groups] == [False, True]
    third, first, second = ((float(c.get("cx")), float(c.get("cy"))) for c in elements(svg, "circle"))
    assert third == pytest.approx(np.mean([first, second], axis=0))
    assert first[0] < second[0]
    assert first[1] > second[1], "up is less in a picture"
    assert [title.text for title in elements(svg, "title")] == ["third", "<first>", "second"]


def test_intervals_are_drawn_through_their_points_and_a_level_goes_all_the_way():
    svg = lines("", SERIES, AXES)
    drawn = [path.get("d") for path in elements(svg, "path") if path.get("class") == "interval"]
    ends = [tuple(map(float, re.fullmatch(r"M([\d.]+) ([\d.]+)V([\d.]+)", path).groups())) for path in drawn]
    _, *points = ((float(c.get("cx")), float(c.get("cy"))) for c in elements(svg, "circle"))
    assert [(across, pytest.approx(low)) for across, low, _ in ends[:1]] == [points[0]]
    assert [(across, pytest.approx(high)) for across, _, high in ends[1:]] == [points[1]]
    assert len([path for path in elements(svg, "path") if path.get("class") == "level"]) == 1


def test_the_legend_has_the_looks_of_the_lines():
    svg = lines("", SERIES, AXES)
    looks = {group.get("class") for group in elements(svg, "g")}
    assert {key.get("class").removeprefix("key ") for key in elements(svg, "svg", 1)} == looks
    assert "<b>" not in lines("", [Series("<b>", [], [])], AXES)
    assert len({s.get("class") for s in elements(classes_legend([f"class {n}" for n in range(14)]), "svg")}) == 14


def test_a_scatter_keeps_proportions_and_leaves_no_point_out():
    points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0]])
    svg = scatter("", points, np.array([0, 0, 1, 1]), 3)
    paths = [path.get("d") for path in elements(svg, "path")]
    places = np.array(
        [[tuple(map(float, dot)) for dot in re.findall(r"M([\d.]+) ([\d.]+)h0", path)] for path in paths[:2]]
    )
    assert places[0, 1, 0] - places[0, 0, 0] == pytest.approx(2 * (places[0, 0, 1] - places[1, 0, 1]), abs=0.3)
    assert paths[2] == "", "a class without points"
    scatter("", np.zeros((3, 2)), np.zeros(3, int), 1)


@pytest.mark.parametrize(
    ("low", "high", "span", "ticks"),
    [(0.31, 0.58, (0.3, 0.6), 4), (0.05, 0.97, (0, 1), 6), (0.5, 0.5, (0.5, 0.6), 2), (0, 1, (0, 1), 6)],
)
def test_ticks_are_whole_and_around_the_values(low, high, span, ticks):
    found, marks = shares(low, high)
    assert found == pytest.approx(span)
    assert len(marks) == ticks
