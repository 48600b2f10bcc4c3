"""The picture of representations: current, and its points are the cells of the table that it is made from."""

import math
import xml.etree.ElementTree as ET

from scripts.representations import PAGE, PICTURE, chart, picture


def test_the_picture_is_current_and_well_formed():
    assert PICTURE.read_text() == picture(), "python -m scripts.docs"
    assert ET.fromstring(picture()).tag.endswith("svg")


def test_every_point_is_a_cell_of_the_table():
    lines = PAGE.read_text().partition("| SmolLM2-135M, `vocabulary_calibrator` |")
    cells = [float(cell.strip(" *").replace(",", "")) for cell in lines[2].splitlines()[0].strip("|").split("|")]
    plot = chart()
    assert [one.name for one in plot.series] == ["no labels", *(f"{n} per class" for n in (1, 4, 16, 64, 256))]
    assert [one.points[-1] for one in plot.series] == [(math.log10(cells[6]), score) for score in cells[:6]]
    assert f"SmolLM2: {cells[6]:.0f}, {cells[7]:,.0f}" in plot.axes.x_ticks
    at = [plot.axes.project(x, y) for one in plot.series for x, y in one.points]
    assert all(0 <= across <= 360 and 0 <= down <= 250 for across, down in at)
    assert len(at) == 6 + 6 + 6 + 5, "TF-IDF has none without labels"
