"""Studies in pictures and reports: each figure beside its null, lines by layer, the highest of each figure."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.cli.studies_view import print_study
from flows.reporting.sections import SECTIONS
from flows.reporting.studies import chart, study_picture, study_tables


def row(variant="state", layer=None, value=0.5, unit="simlex", metric="spearman", **changes):
    """A figure as the catalog gives it."""
    null = (-0.125, 0.0625)
    side = "above" if value > null[1] else "below" if value < null[0] else "inside"
    fixed = {"study": "lexicon", "card": "lexicon", "model": "tiny", "n": 1234, "seed": 0, "key": "a" * 64}
    figures = {"low": value - 0.25, "high": value + 0.25, "null_low": null[0], "null_high": null[1]}
    names = {"unit": unit, "metric": metric, "variant": variant, "layer": layer, "value": value, "beside_null": side}
    return fixed | figures | names | changes


ROWS = [
    row("head", value=0.25),
    *(row("state", layer, value=0.1 * layer) for layer in (0, 3, 6)),
    row("head", metric="accuracy", value=0.75),
    row("state", 6, metric="accuracy", value=0.125),
]


def test_the_chart_has_a_line_a_variant_and_the_null():
    figure = chart([row for row in ROWS if row["metric"] == "spearman"])
    series = {one.name: one for one in figure.series}
    assert set(series) == {"head", "state", "null"}
    assert [x for x, _ in series["state"].points] == [0, 3, 6]
    assert [y for _, y in series["state"].points] == pytest.approx([0, 0.3, 0.6])
    assert series["head"].level, "it has no layer"
    assert not series["state"].level
    assert series["head"].points == [(-1.0, 0.25)], "left of the first layer"
    assert set(series["null"].intervals) == {(-0.125, 0.0625)}
    assert figure.axes.x_ticks == {"0": 0, "3": 3, "6": 6}


def test_the_axes_hold_every_interval():
    figure = chart(ROWS[:4])
    low, high = figure.axes.y
    ends = [end for one in figure.series for interval in one.intervals for end in interval]
    assert low <= min(ends) < max(ends) <= high
    ticks = list(figure.axes.y_ticks.values())
    assert ticks == sorted(ticks)
    assert len(ticks) <= 9


def test_figures_without_layers_are_level_lines():
    figure = chart([row("labels", value=1.25, unit="made", metric="rate")])
    assert [one.level for one in figure.series] == [True, True]
    assert figure.axes.x_ticks == {}


@given(st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=9, unique=True))
def test_every_axis_holds_the_figures_and_has_few_even_ticks(values):
    rows = [row("state", n, value, low=value, high=value) for n, value in enumerate(values)]
    axes = chart(rows).axes
    assert axes.y[0] <= min(values) <= max(values) <= axes.y[1]
    ticks = np.array(list(axes.y_ticks.values()))
    assert 2 <= len(ticks) <= 10
    np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0], atol=1e-6 * np.ptp(ticks))
    assert all(abs(float(text) - tick) <= 0.0051 for text, tick in axes.y_ticks.items())


def test_of_many_layers_at_most_eight_are_named():
    axes = chart([row("state", layer, 0.1) for layer in range(31)]).axes
    assert list(axes.x_ticks.values()) == list(range(0, 31, 4))
    assert axes.x == (-1.0, 31.0)


def test_a_line_goes_by_layer_whatever_the_order_of_the_rows():
    shuffled = [row("state", layer, layer / 10) for layer in (6, 0, 3)]
    (line, null) = chart(shuffled).series
    assert line.points == [(0.0, 0.0), (3.0, 0.3), (6.0, 0.6)]
    assert line.tooltips[1] == "state, layer 3: 0.300"
    assert line.intervals[2] == pytest.approx((0.35, 0.85))
    assert null.tooltips == ["null: [-0.125, 0.062]"] * 3


def test_a_section_of_a_report_is_a_table_with_its_command():
    (table,) = study_tables(SimpleNamespace(studies=ROWS))
    lines = table.markdown()
    assert any(line.startswith("#") and line.endswith(" Study: lexicon") for line in lines)
    assert sum(line.startswith("|") for line in lines) == 2 + len(table.rows)
    assert any("chosen on the same data" in line for line in lines)


def test_figures_that_are_all_one_have_an_axis():
    low, high = chart([row(value=0.0, low=0.0, high=0.0, null_low=0.0, null_high=0.0)]).axes.y
    assert low < high


def test_the_picture_is_of_the_first_figure_with_layers():
    picture = study_picture([row("labels", unit="made", metric="rate"), *ROWS])
    assert picture.startswith("<svg")
    assert "lexicon: spearman of simlex, tiny" in picture
    assert "lexicon: rate of made, tiny" in study_picture([row("labels", unit="made", metric="rate")])


def test_names_in_a_picture_are_escaped():
    assert "<script>" not in study_picture([row("<script>", value=0.5)])


def test_a_report_has_of_each_figure_what_is_farthest_from_its_null():
    errors = [row("state", layer, metric="error", value=value) for layer, value in ((0, 0.5), (3, -0.75), (6, 0.0))]
    (table,) = study_tables(SimpleNamespace(studies=errors))
    assert [cells[3:5] for cells in table.rows] == [["3", "-0.750"]], "below it, where lower is better"
    other = row("head", card="mine", study="grid", value=0.5)
    tables = study_tables(SimpleNamespace(studies=[*ROWS, other]))
    assert [table.title for table in tables] == ["Study: lexicon", "Study: grid"]
    spearman, accuracy = tables[0].rows
    assert spearman == ["simlex", "spearman", "state", "6", "0.600", "[0.350, 0.850]", "[-0.125, 0.062]", "1,234"]
    assert accuracy[2:5] == ["head", "", "0.750"]
    assert "vocabsem study lexicon" in tables[0].note
    assert "vocabsem study mine" in tables[1].note


def test_a_report_without_studies_has_no_section():
    assert study_tables(SimpleNamespace(studies=[])) == []
    assert study_tables in SECTIONS


def test_the_terminal_has_a_table_a_figure_with_its_side_of_the_null(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    print_study([*ROWS, row("state", 9, value=-0.5)], "what words know", [])
    shown = capsys.readouterr().out
    assert shown.startswith("what words know")
    assert shown.index("simlex: spearman") < shown.index("simlex: accuracy")
    lines = [re.split(r" {2,}", line.strip()) for line in shown.splitlines()]
    assert ["state", "6", "0.600 +", "[0.350, 0.850]", "[-0.125, 0.062]", "1,234"] in lines
    assert ["state", "9", "-0.500 −", "[-0.750, -0.250]", "[-0.125, 0.062]", "1,234"] in lines
    assert any(line[:3] == ["state", "0", "0.000"] for line in lines), "inside its null, without a mark"
