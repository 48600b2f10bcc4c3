"""`layers: auto` takes what a grid study chose by training texts; without one of the data it names the command."""

import time

import pytest

from flows.execution.reading import read_data
from flows.planning.cost import estimate
from flows.planning.study import make_study_plan
from flows.planning.study_card import load_study
from flows.reporting.data_notes import plan_notes
from flows.reporting.report import report
from tasks.record import record_run
from tasks.study import run_study
from tasks.views.calibration import Calibration
from tests.tasks.worlds import SPLITS, World, compute, model, replace_home, sentences, write_rows
from vocabsem.errors import CardError
from vocabsem.instruments.one_hot_ridge import macro_f1, ridge_predictions
from warehouse.catalog import catalog
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

SMALL = {"methods": ["centroid"], "shots": ["all"], "seeds": [0], "champion": False, "layers": "auto"}
PARAMS = {"params": {"axes": [2]}}


def measure(world, **changes):
    """Publish a grid study without Prefect. Returns the key of its values."""
    plan = make_study_plan(load_study(world.write_study("grid", name="grid", **PARAMS | changes)), world.home)
    compute(plan.data, ("examples", "states"))
    _, items, values = plan.steps
    return run_study.fn(world.home, plan.model, [plan.data.pairs[0].dataset], {}, items, values, "cpu")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A world with a grid study, and the key of its values. Only to be read."""
    world = World(tmp_path_factory.mktemp("measured"), experiment=SMALL)
    return world, measure(world)


def first_near_the_best(world, tolerance=0.01):
    """The layer by leave-one-out F1 of the training states in the lake, computed anew."""
    (states,) = (m for m in Lake(world.home).manifests("states") if m.coordinates["split"] == "train")
    table = Lake(world.home).of(states).table()
    labels, scores = table["label"].to_numpy(), {}
    for layer in range(model().layers + 1):
        rows = matrix(table[f"layer_{layer}"])
        if rows.std(axis=0).max() > 1e-6:
            centered = (rows - rows.mean(axis=0)).astype(float)
            predicted = ridge_predictions(centered, centered, labels[None])
            scores[layer] = macro_f1(labels[None], predicted.left_out)[0]
    return min(layer for layer, score in scores.items() if score >= max(scores.values()) - tolerance)


def test_the_layer_is_the_first_near_the_best_and_fits_are_those_of_a_card_that_names_it(measured):
    world, key = measured
    plan = world.plan()
    (chosen,) = plan.chosen
    assert (chosen.model, chosen.dataset, chosen.study) == (model().name, "made", key)
    assert chosen.layer == first_near_the_best(world)
    assert chosen.texts == SPLITS["train"]
    assert {step.spec.layers for step in plan.pairs[0].states.values()} == {(chosen.layer,)}
    named = world.plan(layers=[chosen.layer])
    assert not named.chosen
    keys, of_auto = ({step.key for step in each.steps()} for each in (named, plan))
    assert keys ^ of_auto == {named.run.key, plan.run.key}, "all is shared but the record"
    assert (plan.run.spec.studies, named.run.spec.studies) == ((key,), ())


def test_limits_and_the_length_of_prompts_may_be_others_of_the_same_rows(measured):
    world, _ = measured
    assert world.plan(**{"limits.train": 9, "max_tokens": 12}).chosen == world.plan().chosen


@pytest.mark.medium
def test_plan_record_and_report_name_the_layer_and_the_study(measured, tmp_path):
    world, key = measured
    world = replace_home(world, tmp_path)
    plan = world.plan()
    note = (
        f"layers: auto takes layer {plan.chosen[0].layer}, the first within the tolerance of the best by leave-one-out"
    )
    assert any(what == "made, tiny-llama" and note in text and key[:12] in text for what, text in plan_notes(plan))
    compute(plan)
    card = plan.experiment.model_dump(mode="json")
    record_run.fn(plan.home, card, plan.run, time.time(), "", "none", [], [], plan.chosen)
    catalog.rebuild(plan.home)
    (record,) = Lake(plan.home).manifests("runs")
    assert record.facts["card"]["layers"] == "auto"
    assert record.facts["chosen"] == [plan.chosen[0].model_dump()]
    assert note in report(plan.home, "tiny")


def test_the_newest_study_of_all_layers_counts(measured, tmp_path):
    world, first = replace_home(measured[0], tmp_path), measured[1]
    key = measure(world, seed=3)
    assert [chosen.study for chosen in world.plan().chosen] == [key] != [first]
    measure(world, layers=[2], seed=4)
    assert [chosen.study for chosen in world.plan().chosen] == [key]


def test_without_a_study_the_command_is_named(tmp_path):
    world = World(tmp_path, experiment=SMALL)
    message = (
        r"experiment 'tiny' has layers: auto, and there is no grid study of model 'tiny-llama' on dataset 'made' as"
        rf" their cards are now: run `vocabsem study grid --set model={world.folder}/model.yaml --set"
        rf" 'datasets=\[{world.folder}/dataset.yaml\]'` first, or give layers as a list"
    )
    with pytest.raises(CardError, match=message):
        world.plan()
    assert not world.home.lake.exists()


@pytest.mark.parametrize("change", ["template", "seed of the split", "rows"])
def test_a_study_of_other_prompts_or_rows_does_not_count(measured, tmp_path, change):
    first, _ = measured
    world = World(tmp_path, experiment=SMALL)
    world.home = first.home
    changes = {"template": {"template": "{text} :"}, "seed of the split": {"split": {"validation": 0.25, "seed": 1}}}
    world.write_dataset(**changes.get(change, {}))
    if change == "rows":
        write_rows(world.folder / "train.jsonl", sentences(1)[:50])
    with pytest.raises(CardError, match="there is no grid study of model 'tiny-llama' on dataset 'made'"):
        world.plan()


def test_a_study_of_another_pooling_does_not_count_and_the_command_names_it(measured):
    world, _ = measured
    with pytest.raises(CardError, match=r"\]' --set pooling=mean` first"):
        world.plan(pooling="mean")


@pytest.mark.parametrize("layers", [[], "last", "all", 3])
def test_anything_else_is_refused(measured, layers):
    with pytest.raises(CardError, match="layers"):
        measured[0].plan(layers=layers)


def test_a_model_that_ends_early_costs_as_much_less(measured):
    world, _ = measured
    seconds = {}
    for layers in ([1], [2], ["last"]):
        plan, lengths, _ = read_data(world.plan(layers=layers, max_tokens=20))
        seconds[layers[0]] = estimate(plan, Calibration(world.home), lengths)["seconds"]
    assert seconds[1] == pytest.approx(seconds["last"] / 3)
    assert seconds[2] == pytest.approx(2 * seconds["last"] / 3)
