"""Figures are looked at by what they draw: positions, sizes, colours; and by the pixels that come out."""

import base64
import io
import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from tasks.figures import COLOURS, OURS, confusion_matrix, data_uri, label_efficiency, png, reliability_diagram
from vocabsem.metrics import confusion, reliability

METHODS = ["zero_shot", "anchor_similarity", "vocabulary_calibrator+targets", "linear_probe"]
CURVES = {
    "zero_shot": [("0", 0.3, 0.25, 0.35)],
    "linear_probe": [("all", 0.9, 0.85, 0.95), ("16", 0.7, 0.6, 0.8), ("4", 0.5, 0.4, 0.6)],
    "centroid": [("4", 0.55, 0.5, 0.6), ("16", 0.6, 0.5, 0.7), ("all", 0.8, 0.7, 0.9)],
}


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(3, 0.4), 500)
    return np.array([rng.choice(3, p=row) for row in probabilities]), probabilities


def pixels(figure):
    return Image.open(io.BytesIO(png(figure)))


def test_reliability_draws_the_bins_that_have_predictions(predictions):
    labels, probabilities = predictions
    bins = reliability(labels, probabilities)
    upper, lower = reliability_diagram("title", bins).axes
    diagonal, observed = upper.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    drawn = bins.count > 0
    assert 0 < drawn.sum() < len(drawn), "with three classes no prediction is below a third"
    np.testing.assert_array_equal(observed.get_xydata(), np.stack([bins.confidence, bins.accuracy], axis=1)[drawn])
    assert [bar.get_height() for bar in lower.patches] == bins.count.tolist()
    assert sum(bar.get_height() for bar in lower.patches) == 500


def test_confusion_writes_counts_and_shades_shares(predictions):
    labels, probabilities = predictions
    counts = confusion(labels, probabilities.argmax(axis=1), 3)
    figure = confusion_matrix("title", counts, ["a", "b", "c"])
    axes = figure.axes[0]
    assert [int(text.get_text()) for text in axes.texts] == counts.ravel().tolist()
    np.testing.assert_allclose(axes.images[0].get_array().sum(axis=1), 1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]


def test_a_class_without_examples_is_drawn_as_zeros():
    counts = np.array([[3, 1], [0, 0]])
    shades = confusion_matrix("title", counts, ["seen", "unseen"]).axes[0].images[0].get_array()
    np.testing.assert_array_equal(shades, [[0.75, 0.25], [0, 0]])


def test_many_classes_are_drawn_without_names():
    assert not confusion_matrix("title", np.eye(77, dtype=int), [f"intent {i}" for i in range(77)]).axes[0].texts


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


def figures(predictions):
    labels, probabilities = predictions
    title = "a_data_set_of_some_length, smollm2-135m-instruct: vocabulary_calibrator+head, all shots"
    yield reliability_diagram(title, reliability(labels, probabilities))
    yield confusion_matrix(title, confusion(labels, probabilities.argmax(axis=1), 3), ["negative", "so-so", "positive"])
    yield label_efficiency(title, CURVES)


def test_figures_fit_a_phone_and_nothing_is_cut_off(predictions):
    for figure in figures(predictions):
        image = pixels(figure).convert("L")
        assert image.width == 720
        assert image.height < 1.6 * image.width
        edges = np.array(image)
        for border in (edges[0], edges[-1], edges[:, 0], edges[:, -1]):
            assert (border > 250).all(), "something touches the border"
        sizes = {text.get_fontsize() for text in figure.findobj(match=lambda o: hasattr(o, "get_fontsize"))}
        assert min(sizes) >= 8


def test_axes_say_what_they_show(predictions):
    for figure in figures(predictions):
        assert figure.get_suptitle()
        axes = [a for a in figure.axes if a.get_label() != "<colorbar>"]
        assert all(a.get_ylabel() for a in axes)
        assert axes[-1].get_xlabel()


def luminance(colour):
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


# Viénot, Brettel and Mollon (1999): what a deuteranope and a protanope see of linear RGB
SEEN = {
    "deuteranope": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "protanope": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
}


@pytest.mark.parametrize("eyes", SEEN)
def test_colours_differ_for_the_colour_blind(eyes):
    channels = np.array([to_rgb(colour) for colour in COLOURS])
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
