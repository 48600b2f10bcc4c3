"""Label efficiency curves: where methods stand at each number of shots."""

import numpy as np

from flows.planning.contrasts import REFERENCE
from flows.reporting.label_efficiency import label_efficiency


def scores(**curves):
    """Rows of scores, of (shots, macro-F1) by method; the intervals are 0.1 wide."""
    return [
        {"method": name, "shots": shots, "macro_f1": f1, "macro_f1_low": f1 - 0.05, "macro_f1_high": f1 + 0.05}
        | {"control": name in CONTROLS}
        for name, points in curves.items()
        for shots, f1 in points
    ]


CONTROLS = (f"{REFERENCE}+random", "linear_probe", "k_neighbors")
ROWS = scores(
    zero_shot=[("0", 0.3)],
    linear_probe=[("all", 0.9), ("16", 0.7), ("4", 0.5)],
    centroid=[("4", 0.55), ("16", 0.6), ("all", 0.8)],
)


def series(rows):
    return {one.name: one for one in label_efficiency("made", rows).series}


def test_shots_stand_in_order_on_a_log_axis():
    axes = label_efficiency("made", ROWS).axes
    assert list(axes.x_ticks) == ["0", "4", "16", "all"]
    positions = list(axes.x_ticks.values())
    assert (np.diff(positions) > 0).all()
    assert positions[2] - positions[1] == 2, "from 4 to 16 is two doublings"
    assert axes.x[0] < positions[0] < positions[-1] < axes.x[1]
    assert [y for _, y in series(ROWS)["linear_probe"].points] == [0.5, 0.7, 0.9]


def test_only_a_method_without_labels_is_a_level_line():
    assert [name for name, one in series(ROWS).items() if one.level] == ["zero_shot"]


def test_each_point_is_within_its_interval_and_the_axis_has_room_for_all():
    axes = label_efficiency("made", ROWS).axes
    for one in series(ROWS).values():
        for (_, value), (low, high), tooltip in zip(one.points, one.intervals, one.tooltips, strict=True):
            assert axes.y[0] <= low < value < high <= axes.y[1]
            assert f"{value:.3f} [{low:.3f}, {high:.3f}]" in tooltip


def test_the_reference_is_highlighted_and_named_first():
    result = series(scores(**{name: [("4", 0.5), ("16", 0.6)] for name in ("centroid", REFERENCE, "ours+random")}))
    assert list(result) == [REFERENCE, "centroid", "ours+random"]
    assert [name for name, one in result.items() if one.highlighted] == [REFERENCE]
    assert not any(one.on_demand for one in result.values()), "these are few"


def test_of_many_methods_ours_its_controls_the_best_rival_and_the_best_other_control_are_shown():
    figures = {"ridge": 0.8, "centroid": 0.7, "k_neighbors": 0.3, "linear_probe": 0.6, f"{REFERENCE}+head": 0.9}
    figures |= {f"{REFERENCE}+random": 0.5, REFERENCE: 0.85, "zero_shot": 0.2}
    rows = scores(**{name: [("4", 1 - f1), ("all", f1)] for name, f1 in figures.items()})
    shown = [one.name for one in label_efficiency("made", rows).series if not one.on_demand]
    assert shown == [REFERENCE, f"{REFERENCE}+random", "ridge", "linear_probe"]


def test_many_methods_at_many_shots_stay_apart():
    shots = ["4", "16", "64", "256", "all"]
    result = series(scores(**{f"method_{i}": [(n, 0.5) for n in shots] for i in range(16)}))
    columns = np.array([[x for x, _ in one.points] for one in result.values()])  # (methods, shots)
    assert (np.diff(columns, axis=0) > 0).all(), "no two intervals on each other"
    assert (columns.max(axis=0)[:-1] < columns.min(axis=0)[1:]).all(), "and none among those of other shots"


def test_only_zero_shots_and_only_all_can_be_drawn():
    for shots in ("0", "all"):
        axes = label_efficiency("made", scores(m=[(shots, 0.5)])).axes
        assert list(axes.x_ticks) == [shots]
        assert axes.x[0] < axes.x_ticks[shots] < axes.x[1]


def test_sixteen_methods_have_distinct_styles():
    chart = label_efficiency("made", scores(**{f"method {i}": [("4", i / 16)] for i in range(16)}))
    styles = {style.partition(" ")[2] for style in chart._styles()}
    assert len(styles) == 16
