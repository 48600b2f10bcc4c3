"""Classes in order, from card to leaderboard: metrics beside the others, methods of their own, one error each."""

import json
import re

import numpy as np
import pytest
import yaml
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from flows.cli.board import Selection
from flows.cli.board_rows import check_selection, leaderboard_rows
from flows.cli.compare_view import show_comparison
from flows.cli.leaderboard_view import print_leaderboards
from flows.cli.listing import KINDS
from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from flows.reporting.data_notes import plan_notes
from flows.reporting.report import report
from tasks.steps.facts import RunFacts, facts_of
from tasks.tracking.runs import LOGGED_METRICS
from tests.tasks.views.recorded import record, write_cards
from tests.vocabsem.evaluation.test_resampling import draws_by_class
from vocabsem.cards.loader import load_card
from vocabsem.errors import BadInput, CardError
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

METHODS = ["zero_shot", "ridge", "ordinal_ridge"]


def near(fit, seed, labels):
    """Probabilities that lean to the label and its neighbors."""
    generator = np.random.default_rng([seed, len(fit.name), len(str(fit.shots))])
    away = np.exp(-1.5 * np.abs(np.arange(3) - labels[:, None]) + generator.standard_normal((len(labels), 3)))
    return (away / away.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A recorded run on a data set of classes in order and on one of classes without. Only to be read."""
    folder = tmp_path_factory.mktemp("ordinal")
    return record(folder, ("made", "scale"), near, ordinal=("scale",), methods=METHODS)[0]


def test_each_seed_is_scored_as_scikit_learn_scores_it_and_the_mean_lies_in_its_interval(scored):
    for pair in scored.pairs:
        for fit in pair.fits:
            rows = fit.metrics.partition(Lake(scored.home)).table().to_pylist()
            names = {row["metric"] for row in rows}
            assert ({"qwk", "mae"} <= names) == (pair.dataset.name == "scale")
            if pair.dataset.name != "scale":
                continue
            table = fit.predictions.partition(Lake(scored.home)).table().to_pandas()
            for row in rows:
                if row["metric"] not in ("qwk", "mae"):
                    continue
                assert row["low"] <= row["value"] <= row["high"]
                if row["seed"] is not None:
                    part = table[(table.split == row["split"]) & (table.seed == row["seed"])]
                    expected = {
                        "qwk": cohen_kappa_score(part.label, part.predicted, weights="quadratic"),
                        "mae": mean_absolute_error(part.label, part.predicted),
                    }
                    assert row["value"] == pytest.approx(expected[row["metric"]])


def test_the_interval_is_that_of_kappa_on_resamples_of_each_class(scored):
    fit = next(fit for fit in scored.pairs[1].fits if fit.name == "zero_shot")  # of one seed
    table = fit.predictions.partition(Lake(scored.home)).table().to_pandas()
    part = table[table.split == "test"]
    labels, predicted = part.label.to_numpy(), part.predicted.to_numpy()
    draws = [draws_by_class(labels, 1, one)[0] for one in range(2000)]
    kappas = [cohen_kappa_score(labels[rows], predicted[rows], weights="quadratic") for rows in draws]
    (row,) = [
        row
        for row in fit.metrics.partition(Lake(scored.home)).table().to_pylist()
        if (row["split"], row["seed"], row["metric"]) == ("test", None, "qwk")
    ]
    # ends of a 95 % interval from 1000 resamples wander by a fifth of the standard deviation
    assert np.quantile(kappas, [0.025, 0.975]) == pytest.approx([row["low"], row["high"]], abs=0.3 * np.std(kappas))


def test_a_method_for_classes_in_order_is_left_out_elsewhere_and_named(scored):
    fits = {pair.dataset.name: {fit.name for fit in pair.fits} for pair in scored.pairs}
    assert fits == {"made": {"zero_shot", "ridge"}, "scale": set(METHODS)}
    why = "it serves ordinal labels, and these are nominal (label_kind of its card)"
    assert scored.left_out == [("made", "ordinal_ridge", why)]
    assert ("made", f"ordinal_ridge left out: {why}") in plan_notes(scored)
    manifest = scored.run.partition(Lake(scored.home)).manifest()
    assert facts_of(manifest, RunFacts).left_out == (("made", "ordinal_ridge", why),)


def test_the_order_of_classes_is_in_no_key_but_that_of_metrics(tmp_path):
    plain, ordinal = (
        make_plan(load_experiment(str(write_cards(tmp_path, ordinal=of))), Home(tmp_path), placeholders=True)
        for of in ((), ("made",))
    )
    keys = [{step.key: step.kind for step in plan.steps()} for plan in (plain, ordinal)]
    assert {keys[0][key] for key in keys[0].keys() - keys[1].keys()} == {"metrics", "runs"}


def test_leaderboards_show_it_where_there_is_an_order(scored, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    rows = leaderboard_rows(scored.home)
    assert {row["dataset"] for row in rows if row["qwk"] is not None} == {"scale"}
    print_leaderboards(scored.home, rows, Selection())
    made, scale = capsys.readouterr().out.split("scale, made-model")
    assert "QWK" in scale.split("gains")[0]
    assert "MAE" in scale
    assert "QWK" not in made
    print_leaderboards(scored.home, rows, Selection(metric="mae"))
    printed = capsys.readouterr().out
    assert "made, made-model" not in printed
    best = min((row for row in rows if row["dataset"] == "scale" and row["shots"] == "4"), key=lambda row: row["mae"])
    assert f"*{best['mae']:.3f}" in printed, "the lowest is marked"


def test_a_board_without_an_order_has_no_such_metric(scored):
    with pytest.raises(
        BadInput, match=r"--metric 'qwk': no data set on this leaderboard has it: .*label_kind: ordinal"
    ):
        check_selection(Selection(metric="qwk"), leaderboard_rows(scored.home, dataset="made"))


def test_the_report_has_a_table_of_it(scored):
    row = next(row for row in leaderboard_rows(scored.home, dataset="scale") if row["method"] == "zero_shot")
    cell = f"{row['qwk']:.3f} [{row['qwk_low']:.3f}, {row['qwk_high']:.3f}] / {row['mae']:.3f}"
    text = report(scored.home, "tiny", html=False)
    assert "made, classes in order" not in text
    section = text.partition("### scale, classes in order")[2]
    assert cell in section
    page = report(scored.home, "tiny", html=True)
    assert page.count('<th scope="col">QWK</th>') == 1
    assert cell.replace(" ", "") in re.sub(r"<[^>]+>|\s", "", page)


def test_two_runs_are_compared_by_it_where_there_is_an_order(tmp_path, capsys):
    for name in ("first", "second"):
        plan, _ = record(tmp_path, ("made", "scale"), near, ordinal=("scale",), methods=METHODS, name=name)
    show_comparison(plan.home, ("first", "second"), "qwk", None, None, "json")
    rows = json.loads(capsys.readouterr().out)
    assert {row["dataset"] for row in rows} == {"scale"}
    assert {row["method"] for row in rows} == set(METHODS)
    with pytest.raises(BadInput, match=r"share no fit: .* labels that have it \(label_kind: ordinal or continuous\)"):
        show_comparison(plan.home, ("first", "second"), "mae", "made", None, "json")


def test_mlflow_shows_it():
    assert {"qwk", "mae"} <= set(LOGGED_METRICS)


def test_methods_are_listed_with_the_labels_that_they_serve():
    labels = {row["method"]: row["labels"] for row in KINDS["methods"]()}
    assert labels["ordinal_ridge"] == "needed, ordinal, with weights"
    assert labels["ridge"] == "needed, with weights"


def test_a_method_that_serves_no_data_set_of_a_card_is_one_error(tmp_path):
    card = write_cards(tmp_path, methods=["ordinal_ridge"])
    message = (
        r"method ordinal_ridge of experiment 'tiny' serves none of its data sets \(made\): it serves ordinal labels, "
        r"and these are nominal \(label_kind of its card\): take it out, or add a data set"
    )
    with pytest.raises(CardError, match=message) as raised:
        make_plan(load_experiment(str(card)), Home(tmp_path), placeholders=True)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_kind": "ordered"}, "label_kind"),
        ({"label_kind": "ordinal", "classes": 2}, "label_kind is 'ordinal' with 2 labels, between which there is no"),
    ],
)
def test_a_kind_that_cannot_be_is_one_error(tmp_path, changes, message):
    write_cards(tmp_path)
    path = tmp_path / "made.yaml"
    card = yaml.safe_load(path.read_text())
    card["labels"] = card["labels"][: changes.pop("classes", 3)]
    path.write_text(yaml.safe_dump(card | changes))
    with pytest.raises(CardError, match=message) as raised:
        load_card("datasets", str(path))
    assert str(path) in str(raised.value)


def test_the_shipped_scale_is_one():
    assert load_card("datasets", "sst5").label_kind == "ordinal"
    assert load_card("datasets", "trec").label_kind == "nominal"
