"""A column of weights, from the card to the fits, on a tiny model: what they change, what is left out, one error."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.cli.listing import KINDS
from flows.reporting.data_notes import plan_notes
from tasks.models.label_space import label_space
from tasks.record import record_run
from tasks.steps.label_columns import partition_columns
from tasks.steps.lake_reads import read_states, split_rows, training_weights
from tests.tasks.worlds import World, compute, dataset_card, fit_of, sentences, write_card
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.examples import read_examples
from vocabsem.errors import CardError, DataError
from vocabsem.evaluation.temperature import cross_fitted_temperature
from vocabsem.methods import LinearProbe, RidgeProbe
from warehouse.catalog.catalog import query, rebuild
from warehouse.lake.partition import Lake

METHODS = ["zero_shot", "ridge", {"method": "linear_probe", "params": {"alphas": [10.0]}}, "centroid"]


def votes(row):
    """How many people gave a text its label: 1 to 20."""
    return 1 + len(row["text"]) ** 2 % 20


def rows():
    return [row | {"votes": f"{votes(row)}"} for row in sentences()]


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A recorded run of a data set with weights and of one without. Only to be read."""
    folder = tmp_path_factory.mktemp("weights")
    world = World(folder, rows=rows(), dataset={"weight": "votes"})
    test = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    (folder / "test.jsonl").write_text("".join(json.dumps({k: r[k] for k in ("text", "label")}) + "\n" for r in test))
    plain = write_card(folder / "plain.yaml", dataset_card(folder, name="plain"))
    settings = {"datasets": [str(folder / "dataset.yaml"), str(plain)], "temperature": True, "champion": False}
    world.write_experiment(methods=METHODS, shots=[0, 4, "all"], **settings)
    plan = world.plan()
    compute(plan)
    record_run.fn(plan.home, plan.experiment.model_dump(mode="json"), plan.run, 0.0, "", "a-run", [], plan.left_out)
    rebuild(plan.home)
    return plan


@pytest.mark.medium
def test_training_rows_keep_their_weights_and_others_need_none(plan):
    pair, _ = plan.pairs
    train = split_rows(plan.home, "made", pair.examples.key, "train", ["text", "weight"]).to_pylist()
    assert all(row["weight"] == votes(row) for row in train)
    assert split_rows(plan.home, "made", pair.examples.key, "test", ["weight"])["weight"].null_count == 24
    counted = query(plan.home, "select dataset, count(*) as n from examples group by all order by all").to_pylist()
    assert counted == [{"dataset": name, "n": len(sentences())} for name in ("made", "plain")]


@pytest.mark.medium
@pytest.mark.parametrize("shots", [4, "all"])
@pytest.mark.parametrize("method", [RidgeProbe, LinearProbe])
def test_predictions_are_those_of_the_estimator_with_these_weights(plan, method, shots):
    pair, _ = plan.pairs
    fit = fit_of(plan, next(each.name for each in plan.fits if each.method == method.name), shots)
    of = {split: read_states(plan.home, pair.model.name, "made", split, pair.states[split].key)
          for split in ("train", "test")}  # fmt: skip
    (ids, labels, train), (_, _, test) = of["train"], of["test"]
    weights = training_weights(plan.home, pair.model.name, "made", pair.states["train"].key)
    seen = pq.read_table(fit.predictions.partition(Lake(plan.home)).file("training.parquet")).to_pylist()
    chosen = [ids.index(row["id"]) for row in seen if row["seed"] == 0]
    space = label_space(plan.home, pair.model, pair.dataset, pair.anchors.key)
    settings = {"alphas": (10.0,), "random_state": 0} if method is LinearProbe else {}

    def fitted(given):
        X, y = train[chosen], labels[chosen]
        estimator = method(space, **settings).fit(X, y, train, sample_weight=given)
        if method is LinearProbe:
            estimator.temperature_ = cross_fitted_temperature(
                lambda: method(space, **settings), X, y, train, random_state=0, sample_weight=given
            )
        return estimator.predict_proba(test)

    table = fit.predictions.partition(Lake(plan.home)).table().to_pandas()
    stored = np.stack(table[(table.split == "test") & (table.seed == 0)].probabilities.to_numpy())
    np.testing.assert_allclose(stored, fitted(weights[chosen]), atol=1e-5)
    assert np.abs(stored - fitted(None)).max() > 1e-3


@pytest.mark.medium
def test_methods_that_take_no_weights_are_left_out_and_named(plan):
    made, plain = ({fit.method for fit in pair.fits} for pair in plan.pairs)
    assert made == {"zero_shot", "ridge", "linear_probe"}
    assert plain == made | {"centroid"}
    why = "its fit takes no weights of rows, and these have some (weight of its card)"
    assert plan.left_out == [("made", "centroid", why)]
    assert ("made", f"centroid left out: {why}") in plan_notes(plan)


def test_without_a_column_nothing_changes_and_with_one_all_keys_do(tmp_path):
    world = World(tmp_path, rows=rows())
    keys = {}
    for weight in (None, "votes"):
        world.write_dataset(weight=weight)
        (pair,) = world.plan(methods=["ridge"], champion=False).pairs
        keys[weight] = pair.examples.key, pair.fits[-1].predictions.key
    card = dataset_card(tmp_path)
    assert "weight" not in DatasetCard.model_validate(card).content()
    assert DatasetCard.model_validate(card | {"weight": "votes"}).content()["weight"] == "votes"
    assert all(one != other for one, other in zip(*keys.values(), strict=True))


@pytest.mark.medium
def test_examples_without_weights_have_no_column(tmp_path):
    plan = World(tmp_path).plan(methods=["ridge"], champion=False)
    compute(plan, ["examples", "states"])
    (pair,) = plan.pairs
    assert "weight" not in partition_columns(pair.examples.partition(Lake(plan.home)))
    assert training_weights(plan.home, pair.model.name, "made", pair.states["train"].key) is None


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "", "many", None])
def test_a_weight_that_is_none_is_one_error_with_its_row(tmp_path, wrong):
    given = [row | ({"votes": wrong} if number == 5 else {}) for number, row in enumerate(rows())]
    World(tmp_path, rows=given)
    card = DatasetCard.model_validate(dataset_card(tmp_path, weight="votes", split={"validation": 0}))
    files = {split: tmp_path / f"{split}.jsonl" for split in ("train", "test")}
    with pytest.raises(DataError, match=r"row 5 of train of dataset 'made' has '.*' in column 'votes', .* above 0"):
        read_examples(card, files, limits={}, cache=tmp_path)


def test_a_column_that_is_not_there_is_one_error(tmp_path):
    World(tmp_path, rows=rows())
    card = DatasetCard.model_validate(dataset_card(tmp_path, weight="vote"))
    files = {split: tmp_path / f"{split}.jsonl" for split in ("train", "test")}
    with pytest.raises(DataError, match="has no column 'vote': did you mean 'votes'"):
        read_examples(card, files, limits={}, cache=tmp_path)


def test_a_method_that_takes_none_alone_is_refused(tmp_path):
    world = World(tmp_path, rows=rows(), dataset={"weight": "votes"})
    with pytest.raises(CardError, match=r"centroid .* serves none of its data sets \(made\): its fit takes no weights"):
        world.plan(methods=["centroid"], champion=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "folder", "files": {"all": "file:x"}, "split": {"test": 0.2}}, "format 'folder' has none"),
        ({"local": {"folder": "made", "fields": {"text": "text"}, "values": ["a", "b", "c"]}}, "local has no weights"),
        ({"label_kind": "choice", "choices": {"columns": "options"}}, "choices are scored without"),
    ],
)
def test_cards_whose_weights_nothing_could_read_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        DatasetCard.model_validate(dataset_card(tmp_path, weight="votes") | changes)


def test_the_list_of_methods_says_which_take_weights():
    weighted = {row["method"] for row in KINDS["methods"]() if "with weights" in row["labels"]}
    assert weighted == {
        *("ridge", "linear_probe", "random_features", "ridge_self_training", "probe_self_training"),
        *("ordinal_ridge", "multi_ridge", "ridge_regression"),
    }
