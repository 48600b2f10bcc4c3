"""Choices on leaderboards, in reports and comparisons: judged by accuracy, as the places of options are no classes."""

import json
import re
from datetime import UTC, datetime

import numpy as np
import pytest

from flows.cli.board import Selection
from flows.cli.board_rows import check_selection, leaderboard_rows, long_table
from flows.cli.compare_view import show_comparison
from flows.cli.leaderboard_view import print_leaderboards, print_summary
from flows.cli.listing import KINDS
from flows.diagnose import diagnose
from flows.execution.artifacts import _summary
from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from flows.reporting.data_notes import plan_notes
from flows.reporting.report import report
from tasks.steps.facts import RunFacts, facts_of
from tasks.steps.samples import paired
from tasks.tracking.runs import ResultRow, _headline, _leaderboard, _note, _preferred
from tasks.views.harness_files import write_harness
from tasks.views.recorded_run import RecordedRun
from tasks.views.run_comparison import _samples, compare_fits, match_fits
from tests.tasks.views.recorded import record, write_cards
from vocabsem.errors import BadInput, CardError
from vocabsem.evaluation.comparison import difference
from warehouse.catalog import reads
from warehouse.catalog.catalog import query
from warehouse.catalog.named_queries import run_named_query
from warehouse.home import Home
from warehouse.lake.partition import Lake

METHODS = ["zero_shot", "ridge", {"method": "zero_shot", "scoring": "exact"}, {"method": "pmi", "scoring": "exact"}]
SERVING = {"zero_shot+exact", "pmi+exact"}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A recorded run on a data set of choices and on one of classes. Only to be read."""
    folder = tmp_path_factory.mktemp("choices")
    return record(folder, ("made", "quiz"), choices=("quiz",), methods=METHODS)[0]


@pytest.fixture(scope="module")
def quiz(scored):
    """The board's rows of the choices, by method."""
    return {row["method"]: row for row in leaderboard_rows(scored.home, dataset="quiz")}


def hits(scored, method):
    (fit,) = (fit for fit in scored.fits if (fit.dataset.name, fit.name) == ("quiz", method))
    table = fit.predictions.partition(Lake(scored.home)).table().to_pandas()
    return (table.label == table.predicted)[table.split == "test"].to_numpy()


def test_leaderboards_have_accuracy_with_its_interval_and_no_macro_f1(scored, quiz):
    assert set(quiz) == SERVING
    for method, row in quiz.items():
        assert [row[name] for name in ("macro_f1", "macro_f1_low", "macro_f1_high")] == [None] * 3
        assert row["accuracy"] == pytest.approx(hits(scored, method).mean())
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
    assert all(row["macro_f1"] is not None for row in leaderboard_rows(scored.home, dataset="made"))


def test_the_best_is_that_of_the_highest_accuracy(scored, quiz):
    best = sorted(SERVING, key=lambda method: (-quiz[method]["accuracy"], quiz[method]["nll"]))
    assert [row["method"] for row in leaderboard_rows(scored.home, dataset="quiz")] == best
    ranked = [row for row in reads.run_scores(scored.home, scored.run.key) if row["dataset"] == "quiz"]
    assert [row["method"] for row in sorted(ranked, key=lambda row: row["rank"])] == best
    rows = run_named_query(scored.home, "leaderboard", {"dataset": "quiz"}).to_pylist()
    assert [row["method"] for row in rows] == best
    by_validation = [row for row in reads.best_by_validation(scored.home, scored.run.key) if row["dataset"] == "quiz"]
    accuracies = [row["validation_accuracy"] for row in by_validation]
    assert accuracies == sorted(accuracies, reverse=True)
    assert [row["rank"] for row in by_validation] == [1, 2]
    assert all(row["champion_rank"] is None for row in by_validation), "no classifier of options is packaged"


def test_printed_leaderboards_say_what_they_show(scored, quiz, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    rows = leaderboard_rows(scored.home)
    print_leaderboards(scored.home, rows, Selection())
    made, printed = capsys.readouterr().out.split("quiz, made-model: accuracy")
    best = max(quiz.values(), key=lambda row: row["accuracy"])
    assert f"*{best['accuracy']:.3f} [{best['accuracy_low']:.3f}, {best['accuracy_high']:.3f}]" in printed
    assert "of choices accuracy" in printed
    assert "made-model: accuracy" not in made
    table = long_table(rows, Selection(top=1)).to_pylist()
    assert {row["method"] for row in table if row["dataset"] == "quiz"} == {best["method"]}


def test_a_leaderboard_of_choices_alone_is_one_of_accuracy(quiz):
    check_selection(Selection(), list(quiz.values()))
    with pytest.raises(BadInput, match="--metric 'qwk': no data set on this leaderboard has it"):
        check_selection(Selection("qwk"), list(quiz.values()))


def test_ranks_over_data_sets_are_of_those_with_macro_f1(scored):
    assert not reads.run_ranks(scored.home, scored.run.key), "one data set has no average"


def test_scorings_are_compared_with_the_first_by_accuracy_over_rows_at_large(scored):
    rows = query(scored.home, "from comparisons where dataset = 'quiz'").to_pylist()
    assert {(row["question"], row["method"], row["reference"]) for row in rows} == {
        ("baseline", "pmi+exact", "zero_shot+exact")
    }
    assert {row["metric"] for row in rows} == {"accuracy", "nll", "brier"}
    (row,) = (row for row in rows if row["metric"] == "accuracy")
    each = hits(scored, "pmi+exact").astype(float) - hits(scored, "zero_shot+exact")
    assert row["difference"] == pytest.approx(each.mean())
    spread = each.std() / len(each) ** 0.5
    # quantiles of 2,000 resamples, whose figures are multiples of 1/24
    assert (row["low"], row["high"]) == pytest.approx((each.mean() - 2 * spread, each.mean() + 2 * spread), abs=1 / 12)
    assert row["p_holm"] == row["p"], "one comparison"
    assert not query(scored.home, "from comparisons where dataset = 'made'").num_rows
    section = report(scored.home, "tiny", html=False).partition("## Scorings of options")[2]
    assert f"| `pmi+exact` | `zero_shot+exact` | {row['difference']:+.2f} [{row['low']:+.2f}" in section


def test_what_is_left_out_has_its_reason(scored):
    served = "it serves nominal and ordinal labels, and these are choice (label_kind of its card)"
    differ = "its options differ by row, so that no label words stand for them: give the method a scoring, as exact"
    assert scored.left_out == [("quiz", "zero_shot", differ), ("quiz", "ridge", served)]
    assert ("quiz", f"ridge left out: {served}") in plan_notes(scored)
    manifest = scored.run.partition(Lake(scored.home)).manifest()
    assert facts_of(manifest, RunFacts).left_out == tuple(scored.left_out)


def test_reports_and_artifacts_show_accuracy(scored, quiz):
    row = quiz["zero_shot+exact"]
    cell = f"{row['accuracy']:.3f} [{row['accuracy_low']:.3f}, {row['accuracy_high']:.3f}]"
    text = report(scored.home, "tiny", html=False)
    assert cell in text.partition("### quiz")[2]
    assert "Accuracy with its 95 % interval" in text
    page = re.sub(r"<[^>]+>|\s", "", report(scored.home, "tiny", html=True))
    assert cell.replace(" ", "") in page
    summary = _summary(scored, reads.run_scores(scored.home, scored.run.key)).partition("## quiz")[2]
    assert f"| {row['accuracy']:.3f} | {row['accuracy_low']:.3f} to {row['accuracy_high']:.3f} |" in summary


def test_mlflow_has_accuracy_in_place_of_macro_f1(scored, quiz):
    rows = [row for row in reads.run_scores(scored.home, scored.run.key) if row["shots"] == "0"]
    results = [
        ResultRow("made-model", row["dataset"], row["method"], "0", 0, [0], {}, False, row, {"metrics": row["key"]},
                  datetime(2026, 1, 1, tzinfo=UTC), 0.1)
        for row in rows
    ]  # fmt: skip
    best = _preferred(reads.best_by_validation(scored.home, scored.run.key))
    assert {row["dataset"] for row in best} == {"made", "quiz"}
    chosen = [row for row in best if row["dataset"] == "quiz"]
    assert f"{chosen[0]['accuracy']:.3f}" in _note(chosen)
    figures = {each.key: each.value for each in _headline(results, [*chosen, *chosen], 0)}
    assert figures["best_accuracy.quiz.made-model"] == chosen[0]["accuracy"]
    assert "best_macro_f1" not in figures
    of_quiz = [row for row in _leaderboard(results)["data"] if row[0] == "quiz"]
    assert [row[2] for row in of_quiz] == sorted(SERVING, key=lambda method: -quiz[method]["accuracy"])


def test_places_of_options_are_no_classes_to_resample_within(scored):
    matched = match_fits(scored.home, scored.run.key, scored.run.key)
    assert matched.headlines["quiz"] == "accuracy"
    (row,) = (row for row in matched.shared if (row["dataset"], row["method"]) == ("quiz", "zero_shot+exact"))
    whole, parted = (_samples(scored.home, row, row["first_key"], "accuracy", by) for by in (False, True))
    n, p = len(hits(scored, "zero_shot+exact")), hits(scored, "zero_shot+exact").mean()
    spread = whole[1]["accuracy"].replicates.std()
    assert spread == pytest.approx((p * (1 - p) / n) ** 0.5, rel=0.1), "that of a share; 2 B resamples: 3 %"
    assert parted[1]["accuracy"].replicates.std() < spread


def always_the_first(fit, seed, labels):
    return np.tile([0.6, 0.2, 0.2], (len(labels), 1))


def test_a_difference_of_choices_is_over_rows_at_large(tmp_path):
    settings = {"choices": ("quiz",), "methods": METHODS[2:]}
    first, _ = record(tmp_path, ("quiz",), name="first", **settings)
    second, _ = record(tmp_path, ("quiz",), always_the_first, name="second", max_tokens=12, **settings)
    matched = match_fits(first.home, first.run.key, second.run.key)
    for row, result in zip(matched.shared, compare_fits(first.home, matched, "accuracy"), strict=True):
        assert row["first_key"] != row["second_key"]
        at_large, within_classes = (
            difference(
                *paired(
                    *(_samples(first.home, row, row[f"{run}_key"], "accuracy", by) for run in ("second", "first")),
                    "accuracy",
                    single=True,
                )
            )
            for by in (False, True)
        )
        assert result.difference == at_large
        assert result.difference != within_classes


def test_two_runs_are_compared_by_accuracy(tmp_path, capsys):
    for name in ("first", "second"):
        plan, _ = record(tmp_path, ("quiz",), choices=("quiz",), methods=METHODS[2:], name=name)
    show_comparison(plan.home, ("first", "second"), "accuracy", "quiz", None, "json")
    rows = json.loads(capsys.readouterr().out)
    assert {row["method"] for row in rows} == SERVING
    assert np.allclose([row["difference"] for row in rows], 0)
    with pytest.raises(BadInput, match="has no macro-F1: give --metric accuracy"):
        show_comparison(plan.home, ("first", "second"), "macro_f1", None, None, "json")


def test_samples_for_the_harness_have_the_options_of_each_row(scored, quiz, tmp_path):
    paths = write_harness(RecordedRun(scored.home, scored.run.key), tmp_path / "out", {})
    (path,) = (path for path in paths if "quiz_zero_shot_exact" in path.name)
    for sample in map(json.loads, path.read_text().splitlines()):
        options = [f" {sample['doc'][name]}" for name in ("neg", "pos", "tale")]
        assert [each["arg_1"] for each in sample["arguments"].values()] == options
        assert sample["acc"] in (0.0, 1.0)
    results = json.loads(paths[-1].read_text())
    (task,) = (name for name in results["results"] if name.startswith("quiz_zero_shot_exact"))
    assert results["results"][task]["acc,none"] == pytest.approx(quiz["zero_shot+exact"]["accuracy"])
    assert not any("f1" in name for name in results["results"][task])
    assert results["configs"][task]["doc_to_choice"] == "{{[neg, pos, tale]}}"
    assert [metric["metric"] for metric in results["configs"][task]["metric_list"]] == ["acc"]


def test_methods_are_listed_with_the_labels_that_they_serve():
    labels = {row["method"]: row["labels"] for row in KINDS["methods"]()}
    assert labels["zero_shot"] == labels["pmi"] == "not used, also choices"


def test_a_method_that_serves_no_data_set_of_a_card_is_one_error(tmp_path):
    card = write_cards(tmp_path, choices=("made",), methods=["zero_shot"])
    with pytest.raises(CardError, match=r"serves none of its data sets \(made\): its options differ by row") as raised:
        make_plan(load_experiment(str(card)), Home(tmp_path), placeholders=True)
    assert raised.value.exit_code == 2


def test_diagnostics_of_choices_are_one_error(tmp_path):
    card = write_cards(tmp_path, choices=("made",), methods=METHODS[2:])
    with pytest.raises(CardError, match="dataset 'made' has label_kind: choice, and diagnostics compare"):
        diagnose.fn(str(card), home=str(tmp_path))


def test_a_champion_of_choices_alone_is_refused_before_anything_is_computed(tmp_path):
    card = write_cards(tmp_path, ("quiz",), choices=("quiz",), methods=METHODS[2:], champion=True)
    with pytest.raises(
        CardError, match=r"a champion, and options of dataset 'quiz' differ by row, .*: set champion: f"
    ):
        make_plan(load_experiment(str(card)), Home(tmp_path / "home"))


def test_beside_classes_plan_and_summary_say_that_choices_have_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "300")
    plan, key = record(tmp_path, ("made", "quiz"), choices=("quiz",), methods=METHODS, champion=True)
    why = "no champion: options of dataset 'quiz' differ by row, and a registered model is given texts alone"
    assert [note for note in plan_notes(plan) if "champion" in note[1]] == [("quiz", why)]
    print_summary(plan.home, plan.experiment.name, key, None)
    printed = [line for line in capsys.readouterr().out.splitlines() if "hampion of" in line]
    assert printed == ["No champion of quiz: none of its fits can answer to new texts by itself."]


def test_without_champion_in_the_card_none_is_missed(scored, capsys):
    assert not [note for note in plan_notes(scored) if "champion" in note[1]]
    print_summary(scored.home, scored.experiment.name, scored.run.key, None)
    assert "No champion" not in capsys.readouterr().out


def test_methods_that_cannot_be_champions_are_named_in_the_plan(tmp_path):
    methods = ["tfidf", {"method": "centroid", "control": True}]
    card = write_cards(tmp_path, methods=methods, champion=True, shots=[4])
    home = Home(tmp_path / "home")
    (notes,) = plan_notes(make_plan(load_experiment(str(card)), home, placeholders=True))
    assert notes == ("made", "no champion: champions read states or exact scores of prompts without demonstrations,"
                     " and are no controls")  # fmt: skip
