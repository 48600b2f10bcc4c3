"""Leaderboards at every width: whole, nothing cut, the best marked, the order and the columns as selected."""

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from flows.cli.board import LOWER_IS_BETTER, METRICS, Selection, board, merit
from flows.cli.board_rows import check_selection, long_table
from flows.cli.short_names import shorten_names
from vocabsem.errors import BadInput

SHOTS = ("0", "4", "16", "all")
FIGURES = ("accuracy", "nll", "ece", "brier", "micro_f1", "qwk", "mae", "spread")
OF_NUMBERS = ("r2", "spearman", "rmse")
METHODS = {
    "zero_shot": ("0",),
    "vocabulary_calibrator": SHOTS,
    "vocabulary_calibrator+random": SHOTS,
    "anchor_similarity+no_center": ("0",),
    "linear_probe": ("4", "16", "all"),
    "zero_shot+demos-4+order-2": ("4",),
}


def made_rows(seed=0, methods=METHODS, metric=None):
    """Rows of the leaderboard with figures that no other cell has; metrics of numbers but for `metric` are unknown."""
    generator = np.random.default_rng(seed)
    rows = []
    for method, shots in methods.items():
        for n in shots:
            value = generator.uniform(0.2, 0.9)
            figures = {name: generator.uniform(0.1, 0.9) for name in FIGURES} | dict.fromkeys(OF_NUMBERS)
            figures |= {metric: generator.uniform(0.1, 0.9)} if metric in OF_NUMBERS else {}
            row = {"method": method, "shots": n, "n_seeds": 3, "fit_seconds": generator.uniform(0, 20), **figures}
            row |= {"macro_f1": value, "macro_f1_low": value - 0.05, "macro_f1_high": value + 0.05}
            rows.append(row | {"control": "+" in method, "unlabeled": "vocabulary" in method})
    return rows


def printed(tables, width, styled=False):
    """What a terminal of this width shows of the tables."""
    colors = {"force_terminal": styled, "color_system": "standard" if styled else None}
    out = Console(width=width, file=io.StringIO(), highlight=False, markup=False, **colors)
    for table in tables:
        out.print(table)
    return out.file.getvalue()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 200, 260])
def test_a_board_is_whole_at_every_width(width, metric):
    rows = made_rows(metric=metric)
    text = printed(board("made, tiny", rows, Selection(metric), width), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    digits = 2 if metric == "fit_seconds" else 3
    figures = re.findall(rf"(?<![.\d])\d+\.\d{{{digits}}}(?!\d)", text)
    assert {f"{row[metric]:.{digits}f}" for row in rows} <= set(figures)


def test_a_wider_terminal_shows_more():
    rows = [row | {"micro_f1": None} for row in made_rows()]  # of one label per text

    def heads(width):
        return printed(board("made, tiny", rows, Selection(), width), width).splitlines()[1].split()

    assert heads(80) == ["method", *SHOTS, "at", "C", "U", "95", "%"]
    assert {"NLL", "ECE"} <= set(heads(120))
    assert {"accuracy", "Brier", "seeds"} <= set(heads(200))
    first = rows[0]
    interval = f"{first['macro_f1']:.3f} [{first['macro_f1_low']:.3f}, {first['macro_f1_high']:.3f}]"
    assert interval in printed(board("", rows, Selection(), 200), 200)


def lines_of(text):
    """The lines of a board's methods by their first word."""
    return {line.split()[0]: line.split() for line in text.splitlines()[3:] if line.strip()}


@pytest.mark.parametrize("metric", METRICS)
def test_the_best_of_each_number_of_shots_is_marked_and_methods_stand_best_first(metric):
    rows, choose = made_rows(metric=metric), min if metric in LOWER_IS_BETTER else max
    lines = lines_of(printed(board("made", rows, Selection(metric, columns=("shots",)), 200), 200))
    digits = 2 if metric == "fit_seconds" else 3
    best = {n: choose(row[metric] for row in rows if row["shots"] == n) for n in SHOTS}
    marked = sorted(cell for line in lines.values() for cell in line if cell.startswith("*"))
    assert marked == sorted(f"*{value:.{digits}f}" for value in best.values())
    by_method = {name: [row for row in rows if row["method"] == name] for name in METHODS}
    at = {name: choose(scores, key=lambda row: row[metric]) for name, scores in by_method.items()}
    assert list(lines) == sorted(at, key=lambda name: at[name][metric], reverse=choose is max)
    assert {name: line[-1] for name, line in lines.items()} == {name: row["shots"] for name, row in at.items()}


def test_equal_figures_are_all_marked_and_what_is_no_number_is_not():
    rows = made_rows(methods={"ridge": ("4",), "centroid": ("4",), "lora": ("4",)})
    for row, value in zip(rows, (0.5, 0.5 + 1e-14, float("nan")), strict=True):
        row["macro_f1"] = value
    text = printed(board("", rows, Selection(columns=("nll",)), 80), 80)
    assert text.count("*0.500") == text.count("*") == 2
    assert list(lines_of("\n" + text))[-1] == "lora"
    assert "nan" not in text


def test_controls_are_dimmed_and_the_best_is_green():
    text = printed(board("", made_rows(), Selection(), 120), 120, styled=True)
    dimmed = [line for line in text.splitlines() if line.startswith("\x1b[2m")]
    assert len(dimmed) == sum("+" in name for name in METHODS)
    assert all("+" in line for line in dimmed)
    assert len(re.findall(r"\x1b\[(?:1;2;32|1;32)m\*", text)) == len(SHOTS)


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("method", lambda scores: scores[0]["method"]),
        ("all", lambda scores: -next((row["macro_f1"] for row in scores if row["shots"] == "all"), -1)),
        ("nll", lambda scores: max(scores, key=lambda row: row["macro_f1"])["nll"]),
    ],
)
def test_a_board_is_sorted_and_cut_as_selected(sort, key):
    rows = made_rows()
    by_method = {name: [row for row in rows if row["method"] == name] for name in METHODS}
    lines = lines_of(printed(board("made", rows, Selection(sort=sort, top=3, columns=("nll", "ece")), 200), 200))
    assert list(lines) == sorted(METHODS, key=lambda name: key(by_method[name]))[:3]
    best = {name: max(scores, key=lambda row: row["macro_f1"]) for name, scores in by_method.items()}
    assert {name: line[-2:] for name, line in lines.items()} == {
        name: [f"{best[name]['nll']:.3f}", f"{best[name]['ece']:.3f}"] for name in lines
    }


NAME = st.from_regex(r"[a-z]{1,12}(_[a-z]{1,12}){0,2}(\+[a-z]{1,9}(-[0-9]{1,2})?){0,2}", fullmatch=True)
NAMES = st.lists(NAME, unique=True, max_size=9)


@given(names=NAMES, width=st.integers(10, 40))
@settings(max_examples=200)
def test_short_names_stay_distinct_and_whole_where_there_is_room(names, width):
    short = shorten_names(names, width)
    assert len(set(short)) == len(names)
    assert all(one == name or len(one) < len(name) for one, name in zip(short, names, strict=True))
    if all(len(name) <= width for name in names):
        assert short == names


def test_variants_of_a_method_are_cut_alike():
    names = ["vocabulary_calibrator", "vocabulary_calibrator+random", "ridge"]
    assert shorten_names(names, 22) == ["vocabul_calibra", "vocabul_calibra+random", "ridge"]


ORDER = ("qwk", "mae")


def test_metrics_of_an_order_are_columns_only_where_labels_have_one():
    def heads(rows, metric="macro_f1"):
        return printed(board("", rows, Selection(metric), 260), 260).splitlines()[0].split()

    nominal = [row | dict.fromkeys(ORDER) for row in made_rows()]
    assert {"QWK", "MAE"} <= set(heads(made_rows()))
    assert not {"QWK", "MAE"} & set(heads(nominal))
    assert "QWK" not in heads(made_rows(), "qwk"), "it is under the numbers of shots"
    rows = made_rows()
    for metric in ORDER:
        check_selection(Selection(metric), rows)
        check_selection(Selection(metric), [*nominal[:-1], rows[-1]])
        with pytest.raises(
            BadInput, match=rf"--metric '{metric}': no data set on this leaderboard has it: .*label_kind"
        ):
            check_selection(Selection(metric), nominal)


@pytest.mark.parametrize("metric", ORDER)
@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_a_run_from_before_a_metric_has_blank_cells_and_stands_last(metric, unknown):
    of = {"experiment": "one", "dataset": "made", "model": "tiny", "shots_order": 0}
    rows = [row | of | ({metric: unknown} if row["method"] == "zero_shot" else {}) for row in made_rows()]
    text = printed(board("made", rows, Selection(metric, columns=("nll",)), 200), 200)
    lines = lines_of(text)
    assert list(lines)[-1] == "zero_shot"
    assert lines["zero_shot"] == [
        "zero_shot",
        next(f"{row['nll']:.3f}" for row in rows if row["method"] == "zero_shot"),
    ]
    assert text.count("*") == len({row["shots"] for row in rows if row["method"] != "zero_shot"})
    assert long_table(rows, Selection(metric))["method"].to_pylist()[-1] == "zero_shot"
    (best,) = long_table(rows, Selection(metric, top=1, columns=("shots",)))["method"].unique().to_pylist()
    assert best == next(iter(lines))


FIGURE = st.one_of(st.none(), st.just(float("nan")), st.floats(-1, 4))


@given(
    rows=st.lists(
        st.fixed_dictionaries(dict.fromkeys(("qwk", "mae", "nll"), FIGURE) | {"shots": st.sampled_from(SHOTS)}),
        min_size=2,
        max_size=6,
    ),
    metric=st.sampled_from(ORDER),
)
def test_the_best_is_the_highest_kappa_or_the_lowest_error_and_never_one_that_is_unknown(rows, metric):
    best = min(rows, key=lambda row: merit(row, metric))[metric]
    known = [row[metric] for row in rows if row[metric] is not None and row[metric] == row[metric]]
    if known:
        assert best == pytest.approx({"qwk": max, "mae": min}[metric](known), abs=1e-11)
    else:
        assert best is None or best != best
