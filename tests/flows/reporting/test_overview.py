"""The head of the report: gains over no vocabulary first, over random anchors second, each counted by shots."""

import pytest

from flows.planning.experiment import MethodSpec
from flows.reporting.html import _overview, _summary
from flows.reporting.results import Results
from flows.reporting.sections import scorings, word_gaps
from flows.reporting.templating import render_template
from tests.flows.browser import show, tab

OURS = "vocabulary_calibrator"
SPECS = [MethodSpec(method=OURS), *(MethodSpec(method=OURS, params={"targets": each}) for each in ("none", "random"))]


def score(dataset, shots, value):
    figures = {"macro_f1": value, "macro_f1_low": value - 0.1, "macro_f1_high": value + 0.1, "rank": 1}
    return {"dataset": dataset, "shots": shots, "shots_order": float(shots), "method": OURS} | figures


def contrast(dataset, shots, over, value, method=OURS):
    gain = {"difference": value, "low": value - 0.1, "high": value + 0.1}
    return {"dataset": dataset, "shots": shots, "question": f"both over {over}", "method": method} | gain


def results(contrasts):
    scores = [score(dataset, shots, 0.5) for dataset in ("mr", "trec") for shots in ("0", "4")]
    return Results("tiny", SPECS, scores, contrasts, [], [], [], [], [])


CONTRASTS = [
    contrast("mr", "0", "random", 0.3),
    contrast("trec", "0", "random", 0.05),
    contrast("mr", "4", "random", 0.2),
    contrast("trec", "4", "random", 0.4),
    contrast("mr", "4", "none", 0.02),
    contrast("trec", "4", "none", 0.15),
    contrast("mr", "4", "none", 9.0, method="another"),
]


def test_the_overview_has_both_gains_where_there_are_any():
    table = _overview(results(CONTRASTS))
    assert table.heads[3:] == [
        *("gain over no vocabulary at 4", "gain over random anchors at 0", "gain over random anchors at 4"),
    ]
    assert [row[3:] for row in table.rows] == [
        ["+0.02 [-0.08, +0.12]", "+0.30 [+0.20, +0.40]", "+0.20 [+0.10, +0.30]"],
        ["+0.15 [+0.05, +0.25]", "+0.05 [-0.05, +0.15]", "+0.40 [+0.30, +0.50]"],
    ]


def test_both_gains_are_counted_by_shots():
    assert _summary(results(CONTRASTS)) == (
        "Data sets on which the gain over no vocabulary is significant (95 % CI above 0), by shots: 1 of 2 at 4."
        " Data sets on which the gain over random anchors is significant (95 % CI above 0), by shots: 1 of 2 at 0,"
        " 2 of 2 at 4."
    )
    assert _summary(results([])) == "2 data sets, 3 methods."


@pytest.mark.medium
def test_all_of_the_overview_is_seen_beside_the_index(tmp_path):
    gains = [contrast("rotten_tomatoes", n, over, 0.2) for n in ("0", "4") for over in ("none", "random")]
    scores = [score("rotten_tomatoes", n, 0.5) | {"method": f"{OURS}+random"} for n in ("0", "4")]
    table = _overview(Results("tiny", SPECS, scores, gains, [], [], [], [], []))
    assert len(table.heads) == 7
    page = tmp_path / "page.html"
    page.write_text(
        f"<!doctype html><style>{render_template('page.css')}</style><nav></nav><main>{table.html()}</main>"
    )
    with tab() as browser:
        show(browser, page, width=1280)
        hidden = "(box => box.scrollWidth - box.clientWidth)(document.querySelector('.scroll'))"
        assert browser.js(hidden) == 0


def test_exact_and_approximate_words_stand_beside_each_other():
    figures = {"accuracy": 0.5, "macro_f1": 0.25, "spearman": 1.0, "top1": 0.75}
    rows = [
        {"dataset": "mr", "subject": f"words.{subject}", "states": states, "metric": name, "value": value - less}
        for subject, states, less in (("exact", None, 0), ("anchors.mean", "raw", 0.125))
        for name, value in figures.items()
    ]
    (table,) = word_gaps(Results("tiny", SPECS, [], [], [], [], [], [], [], rows))
    assert table.rows == [
        ["mr", "exact", "", "0.500", "0.250", "1.000", "0.750"],
        ["mr", "anchors.mean", "raw", "0.375", "0.125", "0.875", "0.625"],
    ]
    assert word_gaps(results([])) == []


def test_scorings_of_options_are_of_accuracy_alone():
    shared = {"dataset": "quiz", "question": "baseline", "method": "pmi+exact", "reference": "zero_shot+exact"}
    shared |= {"difference": 0.05, "low": -0.01, "high": 0.11, "p_holm": 0.25}
    (table,) = scorings(results([shared | {"metric": "accuracy"}, shared | {"metric": "macro_f1"}]))
    assert table.rows == [["quiz", "`pmi+exact`", "`zero_shot+exact`", "+0.05 [-0.01, +0.11]", "0.250"]]
