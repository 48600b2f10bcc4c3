"""Figures are looked at by what they draw: positions, sizes, colors; and by the pixels that come out."""

import base64
import io
import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from flows.reporting.plots import COLORS, OURS, data_uri, label_efficiency, png

METHODS = ["zero_shot", "anchor_similarity", "vocabulary_calibrator+targets", "linear_probe"]
CURVES = {
    "zero_shot": [("0", 0.3, 0.25, 0.35)],
    "linear_probe": [("all", 0.9, 0.85, 0.95), ("16", 0.7, 0.6, 0.8), ("4", 0.5, 0.4, 0.6)],
    "centroid": [("4", 0.55, 0.5, 0.6), ("16", 0.6, 0.5, 0.7), ("all", 0.8, 0.7, 0.9)],
}


def pixels(figure):
    return Image.open(io.BytesIO(png(figure)))


def test_label_efficiency_stands_shots_in_order_on_a_log_axis():
    axes = label_efficiency("title", CURVES).axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["0", "4", "16", "all"]
    places = axes.get_xticks()
    assert (np.diff(places) > 0).all()
    assert places[2] - places[1] == 2, "from 4 to 16 is two doublings"
    line = next(line for line in axes.lines if line.get_label() == "linear_probe")
    assert line.get_ydata().tolist() == [0.5, 0.7, 0.9]


def test_a_method_without_labels_is_a_level_line_too():
    level = [line for line in label_efficiency("title", CURVES).axes[0].lines if line.get_label().startswith("_")]
    assert [line.get_ydata()[0] for line in level] == [0.3]


def test_intervals_are_drawn_where_the_points_are():
    axes = label_efficiency("title", CURVES).axes[0]
    points = {(float(x), float(y)) for line in axes.lines if line.get_label()[0] != "_" for x, y in line.get_xydata()}
    middles = set()
    for bars in axes.collections:
        for (x, low), (_, high) in bars.get_segments():
            middles.add((float(x), round((low + high) / 2, 9)))
    assert middles == {(x, round(y, 9)) for x, y in points}


def test_ours_is_drawn_above_the_others_and_named_first():
    curves = {name: [("4", 0.5, 0.4, 0.6), ("16", 0.6, 0.5, 0.7)] for name in ("centroid", OURS, f"{OURS}+random")}
    figure = label_efficiency("title", curves)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    for name in curves.keys() - {OURS}:
        assert lines[name].get_zorder() < lines[OURS].get_zorder()
        assert lines[name].get_linewidth() < lines[OURS].get_linewidth()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [OURS, "centroid", f"{OURS}+random"]


def test_many_methods_at_many_shots_stay_apart_and_below_the_plot_is_their_legend():
    shots = ["4", "16", "64", "256", "all"]
    curves = {f"method_{i}": [(n, 0.5, 0.4, 0.6) for n in shots] for i in range(16)}
    figure = label_efficiency("title", curves)
    axes = figure.axes[0]
    columns = np.array([line.get_xdata() for line in axes.lines])  # (methods, shots)
    assert (np.diff(columns, axis=0) > 0).all(), "no two intervals on each other"
    assert (columns.max(axis=0)[:-1] < columns.min(axis=0)[1:]).all(), "and none among those of other shots"
    pixels(figure)
    legend = figure.legends[0].get_window_extent()
    assert legend.y1 <= axes.get_tightbbox().y0
    assert axes.get_window_extent().height > 0.4 * figure.bbox.height


def test_thirteen_methods_are_all_told_apart():
    curves = {f"method {i}": [("4", i / 13, 0, 1)] for i in range(13)}
    lines = label_efficiency("title", curves).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in lines}) == 13


def test_only_zero_shots_and_only_all_can_be_drawn():
    for shots in ("0", "all"):
        axes = label_efficiency("title", {"m": [(shots, 0.5, 0.4, 0.6)]}).axes[0]
        assert [label.get_text() for label in axes.get_xticklabels()] == [shots]


def test_a_figure_fits_a_phone_nothing_is_cut_off_and_its_axes_say_what_they_show():
    figure = label_efficiency("a_data_set_of_some_length, smollm2-135m-instruct: which has its own template", CURVES)
    image = pixels(figure).convert("L")
    assert image.width == 720
    assert image.height < 1.6 * image.width
    edges = np.array(image)
    for border in (edges[0], edges[-1], edges[:, 0], edges[:, -1]):
        assert (border > 250).all(), "something touches the border"
    sizes = {text.get_fontsize() for text in figure.findobj(match=lambda o: hasattr(o, "get_fontsize"))}
    assert min(sizes) >= 8
    (axes,) = figure.axes
    assert all((figure.get_suptitle(), axes.get_xlabel(), axes.get_ylabel()))


# Viénot, Brettel and Mollon (1999): what a deuteranope and a protanope see of linear RGB
SEEN = {
    "deuteranope": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "protanope": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
}


@pytest.mark.parametrize("eyes", SEEN)
def test_colors_differ_for_the_color_blind(eyes):
    channels = np.array([to_rgb(color) for color in COLORS])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = linear @ np.array(SEEN[eyes]).T
    for one, other in itertools.combinations(seen, 2):
        assert np.abs(one - other).max() > 0.05


def test_the_same_figure_gives_the_same_bytes_and_a_data_uri_holds_them():
    first, second = (label_efficiency("title", CURVES) for _ in range(2))
    assert png(first) == png(second)
    head, _, body = data_uri(first).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == png(first)


def test_no_global_state_of_pyplot_is_touched():
    import sys

    label_efficiency("title", CURVES)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
