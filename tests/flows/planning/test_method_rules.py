"""What each method of a card is fitted at and reads."""

import pytest

from flows.planning.experiment import MethodSpec
from flows.planning.method_rules import seeds_of, shots_of, splits_of
from flows.reporting.data_notes import plan_notes
from tasks.examples import build_examples
from tasks.fetch import fetch_card
from tasks.finetuning import tune_method
from tests.tasks.worlds import World, fit_of
from vocabsem.cards.loader import load_card
from vocabsem.errors import CardError
from warehouse.lake.partition import Lake

LORA = {"method": "lora", "params": {"steps": 2, "stops": 1, "learning_rates": [0.001]}}


@pytest.fixture
def experiment(tmp_path):
    return World(tmp_path).plan(champion=False).experiment  # shots 0, 1, 4 and all; seeds 0 and 1


@pytest.mark.parametrize(
    ("spec", "shots"),
    [
        ({"method": "zero_shot"}, [0]),
        ({"method": "zero_shot", "demonstrations": 3}, [3]),
        ({"method": "zero_shot", "demonstrations": "fit"}, ["all"]),
        ({"method": "linear_probe"}, [1, 4, "all"]),
        ({"method": "vocabulary_calibrator"}, [0, 1, 4, "all"]),
        ({"method": "linear_probe", "shots": [2, 0]}, [2]),
        ({"method": "knn_prompting", "demonstrations": 1}, [4, "all"]),
        ({"method": "knn_prompting", "demonstrations": "fit"}, ["all"]),
        ({"method": "vocabulary_calibrator", "label_noise": 0.2}, [1, 4, "all"]),
        ({"method": "vocabulary_calibrator", "params": {"targets": "none"}}, [1, 4, "all"]),
        ({"method": "zero_shot", "demonstrations": 3, "order": 2}, [3]),
        (LORA, [1, 4, "all"]),
    ],
)
def test_shots_are_those_at_which_a_method_has_something_to_learn_from(experiment, spec, shots):
    assert shots_of(experiment, MethodSpec(**spec)) == shots


def test_methods_that_the_shots_of_a_card_leave_out_are_named(tmp_path):
    world = World(tmp_path)
    plan = world.plan(champion=False, shots=[4], methods=["zero_shot", "ridge", "pmi"])
    note = "zero_shot, pmi left out: not fitted at shots 4"
    assert plan_notes(plan)[0] == (plan.experiment.name, note)
    assert {fit.name for fit in plan.fits} == {"ridge"}
    for shots, methods in (([4], ["zero_shot", "pmi"]), ([0], ["ridge"])):
        with pytest.raises(CardError, match=f"fits no method at shots {shots[0]}"):
            world.plan(champion=False, shots=shots, methods=methods)


@pytest.mark.parametrize(
    ("spec", "shots", "seeds"),
    [
        ({"method": "zero_shot"}, 0, [0]),
        ({"method": "zero_shot", "demonstrations": 3}, 3, [0, 1]),
        ({"method": "anchor_similarity", "params": {"targets": "random"}}, 0, [0, 1]),
        ({"method": "centroid"}, "all", [0]),
        ({"method": "centroid"}, 4, [0, 1]),
        ({"method": "centroid", "seeds": 1}, 4, [0]),
        ({"method": "centroid", "label_noise": 0.2}, "all", [0, 1]),
        (LORA, "all", [0, 1]),
    ],
)
def test_seeds_are_run_where_they_matter(experiment, spec, shots, seeds):
    assert seeds_of(experiment, MethodSpec(**spec), shots) == seeds


@pytest.mark.parametrize(
    ("method", "splits"),
    [
        ("zero_shot", ["test"]),
        ("batch_calibration", ["train", "test"]),
        ("contextual_calibration", ["content_free", "test"]),
        ("domain_calibration", ["domain_words", "test"]),
        ("linear_probe", ["train", "test"]),
    ],
)
def test_only_states_that_are_read_are_extracted(method, splits):
    assert splits_of(MethodSpec(method=method), ["test"], load_card("datasets", "trec")) == splits


def test_fine_tuning_takes_no_demonstrations_and_no_unknown_setting(tmp_path):
    world = World(tmp_path)
    with pytest.raises(CardError, match="lora is trained on prompts without them"):
        world.plan(methods=[LORA | {"demonstrations": 2}])
    with pytest.raises(CardError, match="step"):
        world.plan(methods=[LORA | {"params": {"stepz": 2}}])


def test_a_card_with_fine_tuning_leads_to_predictions_of_its_own(tmp_path):
    plan = World(tmp_path).plan(champion=False, methods=[LORA, "linear_probe"], shots=[4], seeds=[0])
    (pair,) = plan.pairs
    fit = fit_of(plan, "lora+steps-2+stops-1+learning_rates-0.001", 4)
    assert dict(fit.predictions.inputs) == {"examples": pair.examples.key}
    build_examples.fn(plan.home, pair.dataset, fetch_card.fn(plan.home, pair.dataset), pair.examples)
    tune_method.fn(plan.home, pair.model, pair.dataset, fit.name, [fit.predictions], "cpu")
    assert plan.published(fit.predictions)
    assert len(fit.predictions.partition(Lake(plan.home)).table()) == 20 + 24
    assert {each.name: each.servable for each in plan.fits} == {fit.name: False, "linear_probe": True}


def test_another_model_is_another_fit(tmp_path):
    plan = World(tmp_path).plan(champion=False, methods=[LORA], shots=[4])
    payload = fit_of(plan, "lora+steps-2+stops-1+learning_rates-0.001", 4).predictions.payload
    assert {"digest", "template", "dtype", "max_tokens", "prepend_bos"} <= set(payload)
