"""Texts with numbers, from the card to the leaderboards, on a tiny model: predictions, metrics, one error each."""

import re
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from flows.cli.board import Selection
from flows.cli.board_rows import check_selection, leaderboard_rows
from flows.cli.leaderboard_view import print_leaderboards
from flows.diagnose import diagnose
from flows.extract import extract
from flows.reporting.data_notes import plan_notes
from flows.reporting.report import report
from tasks.models.label_space import label_space
from tasks.record import record_run
from tasks.steps.facts import ExamplesFacts, facts_of
from tasks.steps.lake_reads import read_states, split_rows
from tasks.tracking.runs import LOGGED_METRICS
from tasks.views.run_comparison import compare_fits, match_fits
from tests.tasks.worlds import World, compute, dataset_card, fit_of, sentences, write_card
from vocabsem.errors import BadInput, CardError, DataError
from vocabsem.methods import RidgeRegression
from vocabsem.methods.tfidf_ridge import TfidfRidge
from warehouse.catalog import reads
from warehouse.catalog.catalog import query, rebuild
from warehouse.catalog.named_queries import run_named_query
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium
NONE = {"method": "ridge_regression", "params": {"targets": "none"}, "shots": [4, "all"]}
METHODS = ["ridge_regression", NONE, {"method": "tfidf_ridge", "shots": ["all"]}, "zero_shot"]
ENDS = [{"name": "low", "value": -1, "word": "bad"}, {"name": "high", "value": "2.5", "word": "positive"}]
WORTH = {"good": 1.0, "great": 1.5, "plot": 0.25, "bad": -1.0, "dull": -0.5}


def worth(row):
    """What a text is worth: the sum over its words, with an eighth of noise by its length."""
    return sum(WORTH.get(word, 0.0) for word in row["text"].split()) + len(row["text"]) % 4 / 8


def make_world(folder, **experiment):
    """One data set of classes, and one of numbers."""
    rows = [row | {"worth": f"{worth(row)}"} for row in sentences()]
    world = World(folder, rows=rows, experiment={"champion": False})
    of_numbers = {"name": "rated", "label_column": "worth", "label_kind": "continuous", "labels": ENDS}
    path = write_card(folder / "rated.yaml", dataset_card(folder, **of_numbers))
    settings = {"datasets": [str(folder / "dataset.yaml"), str(path)], "methods": METHODS, "shots": [0, 4, "all"]}
    world.write_experiment(**settings | {"champion": False} | experiment)
    return world


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A run that is recorded. Only to be read."""
    plan = make_world(tmp_path_factory.mktemp("rated")).plan()
    compute(plan)
    card = plan.experiment.model_dump(mode="json")
    record_run.fn(plan.home, card, plan.run, 0.0, "", "a-run", [], plan.left_out)
    rebuild(plan.home)
    return plan


def rows_of(plan, fit):
    return fit.predictions.partition(Lake(plan.home)).table().to_pandas()


def test_texts_keep_their_numbers(plan):
    pair = plan.pairs[1]
    table = split_rows(plan.home, "rated", pair.examples.key, "test", ["id", "label", "label_name", "text"])
    assert table.column_names == ["id", "value", "label_name", "text"]
    for row in table.to_pylist():
        assert row["value"] == worth(row)
        assert row["label_name"] == f"{worth(row):g}"
    ids, labels, _ = read_states(plan.home, pair.model.name, "rated", "test", pair.states["test"].key)
    assert ids == table["id"].to_pylist()
    assert labels.tolist() == table["value"].to_pylist()
    facts = facts_of(pair.examples.partition(Lake(plan.home)).manifest(), ExamplesFacts)
    assert facts.values["test"]["mean"] == pytest.approx(labels.mean())
    assert facts.counts == {}


@pytest.mark.parametrize("shots", [0, 4, "all"])
def test_predictions_are_the_estimators_own(plan, shots):
    pair, fit = plan.pairs[1], fit_of(plan, "ridge_regression", shots)
    of = {split: read_states(plan.home, pair.model.name, "rated", split, pair.states[split].key)
          for split in ("train", "test")}  # fmt: skip
    (ids, labels, train), (_, truth, test) = of["train"], of["test"]
    stored = rows_of(plan, fit)
    stored = stored[(stored.split == "test") & (stored.seed == 0)]
    seen = fit.predictions.partition(Lake(plan.home)).file("training.parquet")
    rows = [ids.index(row["id"]) for row in pq.read_table(seen).to_pylist() if row["seed"] == 0]
    space = label_space(plan.home, pair.model, pair.dataset, pair.anchors.key)
    assert space.values.tolist() == [-1.0, 2.5]
    estimator = RidgeRegression(space)
    estimator.fit(train[rows] if rows else train, labels[rows] if rows else None, unlabeled=train)
    np.testing.assert_allclose(stored.predicted_value, estimator.predict(test), rtol=1e-5)
    np.testing.assert_array_equal(stored.value, truth)
    assert len(rows) == {0: 0, 4: 4, "all": len(ids)}[shots], "k shots are k texts"


def test_shots_of_a_seed_are_nested(plan):
    of = {n: rows_of_training(plan, n) for n in (4, "all")}
    assert set(of[4]) < set(of["all"])
    again = make_shots(plan)
    assert set(again[:2]) < set(of[4])


def rows_of_training(plan, shots):
    fit = fit_of(plan, "ridge_regression", shots)
    table = pq.read_table(fit.predictions.partition(Lake(plan.home)).file("training.parquet"))
    return [row["id"] for row in table.to_pylist() if row["seed"] == 0]


def make_shots(plan):
    from vocabsem.datasets.shots import choose_shots

    pair = plan.pairs[1]
    ids, labels, _ = read_states(plan.home, pair.model.name, "rated", "train", pair.states["train"].key)
    return [ids[row] for row in choose_shots(labels, 2, 0, 2)]


def test_words_counted_are_the_estimators_own(plan):
    pair, fit = plan.pairs[1], fit_of(plan, "tfidf_ridge", "all")
    train, test = (split_rows(plan.home, "rated", pair.examples.key, s) for s in ("train", "test"))
    estimator = TfidfRidge().fit(train["text"].to_pylist(), train["value"].to_pylist())
    stored = rows_of(plan, fit)
    np.testing.assert_allclose(
        stored[stored.split == "test"].predicted_value, estimator.predict(test["text"].to_pylist())
    )


def test_each_seed_is_scored_as_the_libraries_score_it_and_the_mean_lies_in_its_interval(plan):
    figures = {
        "r2": r2_score,
        "spearman": lambda y, p: spearmanr(y, p)[0],
        "rmse": root_mean_squared_error,
        "mae": mean_absolute_error,
    }
    for fit in plan.pairs[1].fits:
        table = rows_of(plan, fit)
        rows = fit.metrics.partition(Lake(plan.home)).table().to_pylist()
        assert {row["metric"] for row in rows} - {"fit_seconds"} == set(figures)
        for row in rows:
            if row["metric"] == "fit_seconds":
                continue
            assert row["low"] <= row["value"] <= row["high"]
            part = table[(table.split == row["split"]) & (table.seed == row["seed"])]
            if len(part):
                assert row["value"] == pytest.approx(figures[row["metric"]](part.value, part.predicted_value))


def test_methods_of_classes_are_left_out_and_named(plan):
    fits = {pair.dataset.name: {fit.name for fit in pair.fits} for pair in plan.pairs}
    assert fits == {"made": {"zero_shot"}, "rated": {"ridge_regression", "ridge_regression+none", "tfidf_ridge"}}
    why = "it serves nominal, ordinal and choice labels, and these are continuous (label_kind of its card)"
    assert ("rated", "zero_shot", why) in plan.left_out
    assert ("rated", f"zero_shot left out: {why}") in plan_notes(plan)


def test_leaderboards_are_of_r2(plan, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    rows = leaderboard_rows(plan.home)
    rated = [row for row in rows if row["r2"] is not None]
    assert {row["dataset"] for row in rated} == {"rated"}
    assert all(row["macro_f1"] is None and row["nll"] is None for row in rated)
    assert all(row["r2_low"] <= row["r2"] <= row["r2_high"] for row in rated)
    print_leaderboards(plan.home, rows, Selection())
    made, of_numbers = capsys.readouterr().out.split("rated, ")[:2]
    assert "R²" not in made
    assert "Spearman" not in made
    assert "Spearman" in of_numbers
    best = max(row["r2"] for row in rated if row["shots"] == "all")
    assert f"*{best:.3f}" in of_numbers
    print_leaderboards(plan.home, rows, Selection(metric="rmse"))
    printed = capsys.readouterr().out
    assert "made, " not in printed
    assert f"*{min(row['rmse'] for row in rated if row['shots'] == 'all'):.3f}" in printed
    with pytest.raises(BadInput, match=r"--metric 'r2': no data set .* needs label_kind: continuous in the data set's"):
        check_selection(Selection(metric="r2"), leaderboard_rows(plan.home, dataset="made"))
    assert {"r2", "spearman", "rmse"} <= set(LOGGED_METRICS)


def test_the_report_has_their_table_and_no_confusion_of_classes(plan):
    row = next(row for row in leaderboard_rows(plan.home, dataset="rated") if row["method"] == "ridge_regression")
    cell = f"{row['spearman']:.3f} [{row['spearman_low']:.3f}, {row['spearman_high']:.3f}] / {row['mae']:.3f}"
    text = report(plan.home, "tiny", html=False)
    assert cell in text.partition("### rated, continuous targets")[2]
    assert "R² with its 95 % interval" in text
    page = report(plan.home, "tiny", html=True)
    assert cell.replace(" ", "") in re.sub(r"<[^>]+>|\s", "", page)
    assert '<th scope="col">R²</th>' in page
    assert "Confusion of ridge_regression" not in page


def test_methods_are_compared_on_the_same_texts(plan):
    rows = query(plan.home, "select * from comparisons where dataset = 'rated'").to_pylist()
    scores = {(r["method"], r["shots"]): r for r in leaderboard_rows(plan.home, dataset="rated")}
    gains = [row for row in rows if row["question"] == "anchors over none"]
    assert {(row["shots"], row["metric"]) for row in gains} == {
        (shots, metric) for shots in ("4", "all") for metric in ("r2", "spearman", "rmse")
    }
    for row in gains:
        at = {name: scores[row[name], row["shots"]][row["metric"]] for name in ("method", "reference")}
        assert row["difference"] == pytest.approx(at["method"] - at["reference"])
        assert row["low"] <= row["difference"] <= row["high"]


def test_ranks_are_of_macro_f1_and_not_of_numbers(plan):
    assert {row["method"] for row in query(plan.home, "from ranks").to_pylist()} == {"zero_shot"}


def test_tables_hold_the_numbers(plan):
    sql = "select label, predicted, probabilities, value, predicted_value from predictions where dataset = '{}'"
    rated, made = (query(plan.home, sql.format(name)).to_pylist() for name in ("rated", "made"))
    assert all(row["label"] is None and row["probabilities"] is None and row["value"] is not None for row in rated)
    assert all(row["value"] is None and row["predicted_value"] is None and row["label"] >= 0 for row in made)
    counted = query(plan.home, "select dataset, count(value) as n from examples group by all order by all").to_pylist()
    assert counted[0] == {"dataset": "made", "n": 0}
    assert counted[1]["n"] == len(sentences())
    best = query(plan.home, "select * from best_by_validation where dataset = 'rated' and rank = 1").to_pylist()
    assert best[0]["validation_r2"] is not None
    exported = reads.exported_predictions(plan.home, plan.experiment.name, None, "rated", None, "4", "test")
    assert {"value", "predicted_value"} <= set(exported.column_names)
    assert not {"label", "labels", "probabilities"} & set(exported.column_names)


@pytest.mark.parametrize(
    "name", ["calibration-curve", "confusions", "hardest-examples", "layer-profile", "disagreements"]
)
def test_questions_about_classes_have_no_rows_of_numbers(plan, name):
    given = {"dataset": "rated"} | ({"method": "ridge_regression", "other": "tfidf_ridge"} if name[0] == "d" else {})
    assert run_named_query(plan.home, name, given).num_rows == 0


def test_two_runs_are_compared_by_r2(plan):
    matched = match_fits(plan.home, plan.run.key, plan.run.key)
    assert matched.headlines["rated"] == "r2"
    scores = {(r["method"], r["shots"]): r["r2"] for r in leaderboard_rows(plan.home, dataset="rated")}
    shared = [row for row in matched.shared if row["dataset"] == "rated"]
    compared = compare_fits(plan.home, replace(matched, shared=shared), "r2")
    assert {(row.method, row.shots): pytest.approx(row.second) for row in compared} == scores


def test_diagnostics_of_them_are_one_error(tmp_path):
    world = make_world(tmp_path)
    with pytest.raises(CardError, match="dataset 'rated' has label_kind: continuous, and diagnostics compare"):
        diagnose.fn(str(world.card), home=str(world.home.root))


def test_more_shots_than_rows_are_one_error(tmp_path, recorded):
    world = make_world(tmp_path)
    settings = {"methods": ["ridge_regression"], "shots": [100], "datasets": [str(tmp_path / "rated.yaml")]}
    with (
        recorded(world.home),
        pytest.raises(DataError, match=r"100 shots of dataset 'rated', which has \d+ training ex"),
    ):
        extract(experiment=str(world.card), overrides=settings, home=str(world.home.root))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"methods": ["zero_shot"], "datasets": 1},
            r"zero_shot .* serves none of its data sets \(rated\): it serves ",
        ),
        ({"methods": [{"method": "ridge_regression", "label_noise": 0.2}]}, "ridge_regression.* serves none of its"),
    ],
)
def test_what_cannot_be_done_with_them_is_one_error(tmp_path, changes, message):
    world = make_world(tmp_path)
    if changes.pop("datasets", None):
        changes["datasets"] = [str(tmp_path / "rated.yaml")]
    with pytest.raises(CardError, match=message) as raised:
        world.plan(**changes)
    assert raised.value.exit_code == 2
