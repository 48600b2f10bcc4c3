"""Any number of labels per text, from card to leaderboard, on a tiny model: predictions, metrics, one error each."""

import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, f1_score

from flows.cli.board import Selection
from flows.cli.board_rows import check_selection, leaderboard_rows
from flows.cli.leaderboard_view import print_leaderboards
from flows.cli.listing import KINDS
from flows.diagnose import diagnose
from flows.reporting.data_notes import plan_notes
from flows.reporting.report import report
from tasks.models.label_space import label_space
from tasks.record import record_run
from tasks.steps.facts import ExamplesFacts, facts_of
from tasks.steps.lake_reads import read_states, split_rows
from tasks.tracking.runs import LOGGED_METRICS
from tasks.views.array_files import write_arrays
from tasks.views.recorded_run import RecordedRun
from tests.tasks.worlds import TOPICAL, World, compute, dataset_card, fit_of, sentences, write_card
from vocabsem.errors import BadInput, CardError
from vocabsem.methods import MultiRidge
from vocabsem.methods.tfidf_one_vs_rest import TfidfOneVsRest
from warehouse.catalog import reads
from warehouse.catalog.catalog import query, rebuild
from warehouse.catalog.named_queries import run_named_query
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium
RANDOM = {"method": "multi_ridge", "params": {"targets": "random"}}
METHODS = ["multi_ridge", RANDOM, {"method": "tfidf_one_vs_rest", "shots": ["all"]}, "zero_shot"]


def has(row):
    """Which labels a text has: those whose word it holds."""
    return [name for name, words in TOPICAL.items() if words[0] in row["text"].split()]


def make_world(folder, **experiment):
    """One data set of one label per text, and one of any number of them."""
    rows = [row | {"labels": ";".join(has(row))} for row in sentences()]
    world = World(folder, rows=rows, experiment={"champion": False})
    of_several = {"name": "several", "label_column": "labels", "label_kind": "multi", "separator": ";"}
    path = write_card(folder / "several.yaml", dataset_card(folder, **of_several))
    settings = {"datasets": [str(folder / "dataset.yaml"), str(path)], "methods": METHODS, "shots": [0, 4, "all"]}
    world.write_experiment(**settings | {"champion": False} | experiment)
    return world


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A run that is recorded. Only to be read."""
    plan = make_world(tmp_path_factory.mktemp("several")).plan()
    compute(plan)
    card = plan.experiment.model_dump(mode="json")
    record_run.fn(plan.home, card, plan.run, 0.0, "", "a-run", [], plan.left_out)
    rebuild(plan.home)
    return plan


def rows_of(plan, fit):
    return fit.predictions.partition(Lake(plan.home)).table().to_pandas()


def stacked(column):
    return np.stack(column.to_numpy())


def test_texts_keep_the_set_of_their_labels(plan):
    pair = plan.pairs[1]
    table = split_rows(plan.home, "several", pair.examples.key, "test", ["id", "label", "label_name", "text"])
    assert table.column_names == ["id", "labels", "label_name", "text"]
    for row in table.to_pylist():
        expected = has(row)
        assert row["labels"] == [name in expected for name in TOPICAL]
        assert row["label_name"] == ", ".join(expected)
    assert any(not any(row["labels"]) for row in table.to_pylist()), "some have none"
    ids, labels, _ = read_states(plan.home, pair.model.name, "several", "test", pair.states["test"].key)
    assert ids == table["id"].to_pylist()
    assert labels.tolist() == table["labels"].to_pylist()


@pytest.mark.parametrize("shots", [0, 4, "all"])
def test_predictions_are_the_estimators_own(plan, shots):
    pair, fit = plan.pairs[1], fit_of(plan, "multi_ridge", shots)
    of = {split: read_states(plan.home, pair.model.name, "several", split, pair.states[split].key)
          for split in ("train", "test")}  # fmt: skip
    (ids, labels, train), (_, truth, test) = of["train"], of["test"]
    stored = rows_of(plan, fit)
    stored = stored[(stored.split == "test") & (stored.seed == 0)]
    seen = fit.predictions.partition(Lake(plan.home)).file("training.parquet")
    rows = [ids.index(row["id"]) for row in pq.read_table(seen).to_pylist() if row["seed"] == 0]
    estimator = MultiRidge(label_space(plan.home, pair.model, pair.dataset, pair.anchors.key))
    estimator.fit(train[rows] if rows else train, labels[rows] if rows else None, unlabeled=train)
    np.testing.assert_allclose(stacked(stored.probabilities), estimator.predict_proba(test), atol=1e-6)
    np.testing.assert_array_equal(stacked(stored.predicted_labels), estimator.predict(test))
    np.testing.assert_array_equal(stacked(stored.labels), truth)
    if shots == 4:
        assert (labels[rows].sum(0) >= 4).all()
        assert (~labels[rows].any(1)).sum() == min(4, (~labels.any(1)).sum())


def test_words_counted_are_the_estimators_own(plan):
    pair, fit = plan.pairs[1], fit_of(plan, "tfidf_one_vs_rest", "all")
    train, test = (split_rows(plan.home, "several", pair.examples.key, s) for s in ("train", "test"))
    estimator = TfidfOneVsRest().fit(train["text"].to_pylist(), np.array(train["labels"].to_pylist()))
    stored = rows_of(plan, fit)
    stored = stored[stored.split == "test"]
    texts = test["text"].to_pylist()
    np.testing.assert_allclose(stacked(stored.probabilities), estimator.predict_proba(texts), atol=1e-6)
    np.testing.assert_array_equal(stacked(stored.predicted_labels), estimator.predict(texts))


def test_each_seed_is_scored_as_scikit_learn_scores_it_and_the_mean_lies_in_its_interval(plan):
    for fit in plan.pairs[1].fits:
        table = rows_of(plan, fit)
        rows = fit.metrics.partition(Lake(plan.home)).table().to_pylist()
        assert {row["metric"] for row in rows} - {"fit_seconds"} == {"accuracy", "macro_f1", "micro_f1", "nll", "brier"}
        for row in rows:
            if row["metric"] == "fit_seconds":
                continue
            assert row["low"] <= row["value"] <= row["high"]
            part = table[(table.split == row["split"]) & (table.seed == row["seed"])]
            if len(part) and row["metric"].endswith("f1"):
                y, predicted = stacked(part.labels), stacked(part.predicted_labels)
                average = row["metric"].removesuffix("_f1")
                expected = f1_score(y, predicted, average=average, zero_division=np.nan)
                assert row["value"] == pytest.approx(expected)
            elif len(part) and row["metric"] == "accuracy":
                assert row["value"] == accuracy_score(stacked(part.labels), stacked(part.predicted_labels))


def test_methods_of_other_labels_are_left_out_and_named(plan):
    fits = {pair.dataset.name: {fit.name for fit in pair.fits} for pair in plan.pairs}
    several = {"multi_ridge", "multi_ridge+random", "tfidf_one_vs_rest"}
    assert fits == {"made": {"zero_shot"}, "several": several}
    why = "it serves nominal, ordinal and choice labels, and these are multi (label_kind of its card)"
    assert ("several", "zero_shot", why) in plan.left_out
    assert ("several", f"zero_shot left out: {why}") in plan_notes(plan)
    labels = {row["method"]: row["labels"] for row in KINDS["methods"]()}
    assert labels["multi_ridge"] == "of use, multi, with weights"


def test_the_kind_of_labels_is_in_no_key_of_texts_of_one(tmp_path, plan):
    alone = make_world(tmp_path, datasets=[str(tmp_path / "dataset.yaml")], methods=["zero_shot"]).plan()
    assert {step.key for step in alone.pairs[0].states.values()}.isdisjoint(
        step.key for step in plan.pairs[1].states.values()
    )


def test_leaderboards_show_micro_f1_and_no_calibration_error(plan, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    rows = leaderboard_rows(plan.home)
    assert {row["dataset"] for row in rows if row["micro_f1"] is not None} == {"several"}
    assert all(row["micro_f1_low"] <= row["micro_f1"] <= row["micro_f1_high"] for row in rows if row["micro_f1"])
    print_leaderboards(plan.home, rows, Selection())
    made, several = capsys.readouterr().out.split("several, ")[:2]
    assert "ECE" in made
    assert "micro-F1" not in made
    assert "micro-F1" in several
    print_leaderboards(plan.home, rows, Selection(metric="micro_f1"))
    printed = capsys.readouterr().out
    assert "made, " not in printed
    best = max(row["micro_f1"] for row in rows if row["dataset"] == "several" and row["shots"] == "all")
    assert f"*{best:.3f}" in printed
    with pytest.raises(
        BadInput, match=r"--metric 'micro_f1': no data set .* needs label_kind: multi in the data set's"
    ):
        check_selection(Selection(metric="micro_f1"), leaderboard_rows(plan.home, dataset="made"))
    assert "micro_f1" in LOGGED_METRICS


def test_the_report_has_a_table_of_it_and_no_confusion_of_classes(plan):
    row = next(row for row in leaderboard_rows(plan.home, dataset="several") if row["method"] == "multi_ridge")
    cell = f"{row['micro_f1']:.3f} [{row['micro_f1_low']:.3f}, {row['micro_f1_high']:.3f}] / {row['accuracy']:.3f}"
    text = report(plan.home, "tiny", html=False)
    assert cell in text.partition("### several, any number of labels")[2]
    assert "made, any number" not in text
    page = report(plan.home, "tiny", html=True)
    assert page.count('<th scope="col">micro-F1</th>') == 1
    assert cell.replace(" ", "") in re.sub(r"<[^>]+>|\s", "", page)
    assert "Confusion of multi_ridge" not in page


def test_methods_are_compared_on_the_same_texts(plan):
    rows = query(plan.home, "select * from comparisons where dataset = 'several'").to_pylist()
    scores = {(r["method"], r["shots"]): r["macro_f1"] for r in leaderboard_rows(plan.home, dataset="several")}
    gains = [row for row in rows if row["question"] == "anchors over random" and row["metric"] == "macro_f1"]
    assert {row["shots"] for row in gains} == {"0", "4", "all"}
    for row in gains:
        expected = scores[row["method"], row["shots"]] - scores[row["reference"], row["shots"]]
        assert row["difference"] == pytest.approx(expected)
        assert row["low"] <= row["difference"] <= row["high"]


def test_tables_hold_the_sets(plan):
    sql = "select label, predicted, labels, predicted_labels from predictions where dataset = '{}' and split = 'test'"
    several, one = (query(plan.home, sql.format(name)).to_pylist() for name in ("several", "made"))
    assert all(row["label"] is None and row["predicted"] is None and len(row["labels"]) == 3 for row in several)
    assert all(row["labels"] is None and row["predicted_labels"] is None and row["label"] >= 0 for row in one)
    counted = query(plan.home, "select count(*) as n from examples where dataset = 'several' and labels[1]").to_pylist()
    of = {
        s: facts_of(m, ExamplesFacts) for m in Lake(plan.home).manifests("examples") for s in [m.coordinates["dataset"]]
    }
    assert counted == [{"n": sum(by["neg"] for by in of["several"].counts.values())}]
    assert of["several"].without_label["test"] > 0
    assert of["made"].without_label == {}
    states = query(plan.home, "select label, labels from states where dataset = 'several'").to_pylist()
    assert all(row["label"] is None and len(row["labels"]) == 3 for row in states)


@pytest.mark.parametrize(
    "name", ["calibration-curve", "confusions", "hardest-examples", "layer-profile", "disagreements"]
)
def test_questions_about_one_label_have_no_rows_of_several(plan, name):
    given = {"dataset": "several"} | ({"method": "multi_ridge", "other": "tfidf_one_vs_rest"} if name[0] == "d" else {})
    assert run_named_query(plan.home, name, given).num_rows == 0


def test_exported_predictions_have_the_labels_of_their_kind(plan, tmp_path):
    name = plan.experiment.name
    tables = {
        dataset: reads.exported_predictions(plan.home, name, None, dataset, None, "0", "test")
        for dataset in ("made", "several", None)
    }
    columns = {dataset: set(table.column_names) for dataset, table in tables.items()}
    assert columns[None] - columns["made"] == {"labels", "predicted_labels"}
    assert columns[None] - columns["several"] == {"label", "predicted"}
    write_arrays(tables["several"], tmp_path / "several.npz")
    with np.load(tmp_path / "several.npz", allow_pickle=False) as arrays:
        assert arrays["labels"].shape == arrays["predicted_labels"].shape == arrays["probabilities"].shape
        assert arrays["labels"].dtype == bool
    with pytest.raises(BadInput, match="labels has rows of 0, "):
        write_arrays(tables[None], tmp_path / "both.npz")


def test_answers_are_put_into_the_order_of_the_given_ids(plan):
    run = RecordedRun(plan.home, plan.run.key)
    fit = fit_of(plan, "multi_ridge", 4)
    (row,) = (row for row in run.fits if row.key == fit.metrics.key)
    stored = rows_of(plan, fit)
    for seed, of_seed in stored[stored.split == "test"].groupby("seed"):
        ids = sorted(of_seed.id, reverse=True)
        (answers,) = (each for each in run.predictions(row, "test", ids) if each.seed == seed)
        ordered = of_seed.set_index("id").loc[ids]
        np.testing.assert_array_equal(answers.probabilities, stacked(ordered.probabilities))
        np.testing.assert_array_equal(answers.predicted, stacked(ordered.predicted_labels))


def test_diagnostics_of_them_are_one_error(tmp_path):
    world = make_world(tmp_path)
    with pytest.raises(CardError, match="dataset 'several' has label_kind: multi, and diagnostics compare"):
        diagnose.fn(str(world.card), home=str(world.home.root))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"methods": ["zero_shot"], "datasets": 1},
            r"zero_shot .* serves none of its data sets \(several\): it serves ",
        ),
        ({"methods": [{"method": "multi_ridge", "label_noise": 0.2}]}, "multi_ridge.* serves none of its data sets"),
    ],
)
def test_what_cannot_be_done_with_them_is_one_error(tmp_path, changes, message):
    world = make_world(tmp_path)
    if changes.pop("datasets", None):
        changes["datasets"] = [str(tmp_path / "several.yaml")]
    with pytest.raises(CardError, match=message) as raised:
        world.plan(**changes)
    assert raised.value.exit_code == 2
