"""Experiment cards: validated whole, refused with the nearest known name."""

import re
import shutil

import pytest
import yaml

from flows.planning.experiment import Experiment, load_experiment, parse_overrides
from vocabsem.cards.folders import CARDS
from vocabsem.errors import CardError

GOOD = {
    "name": "one",
    "models": ["smollm2-135m-instruct"],
    "datasets": ["rotten_tomatoes"],
    "methods": ["zero_shot", {"method": "anchor_similarity", "params": {"center": False, "targets": "random"}}],
    "shots": [0, 4, "all"],
}


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        path = tmp_path / "one.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in (GOOD | changes).items() if value is not ...}))
        return str(path)

    return write


@pytest.mark.parametrize("path", sorted((CARDS / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_card_of_the_project_is_valid(path, tmp_path):
    experiment = load_experiment(path.stem)
    assert experiment.name == path.stem
    assert experiment.model_cards(tmp_path)
    assert len(experiment.dataset_cards()) == len(experiment.datasets)


def test_names_of_methods_state_their_parameters(write):
    names = [spec.name for spec in load_experiment(write()).methods]
    assert names == ["zero_shot", "anchor_similarity+no_center+random"]
    assert [spec.is_control for spec in load_experiment(write()).methods] == [False, True]


def test_ours_without_its_passes_over_texts_learns_from_shots_alone(write):
    parts = [{}, {"rounds": 0}, {"mixture_weight": 0}, {"rounds": 0, "mixture_weight": 0}]
    methods = [{"method": "vocabulary_calibrator", "params": params} for params in parts] + ["ridge"]
    specs = load_experiment(write(methods=methods)).methods
    assert [spec.learns_from_unlabeled for spec in specs] == [True, True, True, False, False]


def test_order_and_noise_are_named_whatever_the_label(write):
    methods = [
        {"method": "zero_shot", "demonstrations": 2, "order": 3},
        {"method": "zero_shot", "demonstrations": 2, "order": 4, "label": "icl"},
        {"method": "ridge", "label_noise": 0.25},
        {"method": "knn_prompting", "demonstrations": 1, "order": 1, "label_noise": 0.1},
    ]
    specs = load_experiment(write(methods=methods)).methods
    names = ["zero_shot+demos-2+order-3", "icl+order-4", "ridge+noise-0.25"]
    assert [spec.name for spec in specs] == [*names, "knn_prompting+demos-1+order-1+noise-0.1"]
    assert [spec.is_control for spec in specs] == [False, False, True, True], "wrong labels make no champion"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "offload:8"}, "give the memory for weights in MB or GB, as in offload:8GB"),
        ({"device": "offload", "methods": ["lora"], "shots": [4]}, "is for frozen models, and lora trains"),
        ({"modles": ["x"], "models": ...}, "did you mean 'models'"),
        ({"models": ...}, "missing key 'models'"),
        ({"shots": [-1]}, "shots"),
        ({"shots": ["most"]}, "shots"),
        ({"shots": []}, "shots"),
        ({"seeds": [1, 1]}, "seeds: 1 given twice: leave one out"),
        ({"seeds": [-1]}, "seeds[0]: Input should be greater than or equal to 0 (given: -1)"),
        ({"seeds": [2**31]}, "seeds[0]"),
        ({"methods": ["zero_shoot"]}, "zero_shot"),
        ({"methods": [{"method": "paper_calibrator", "params": {"epoch": 3}}]}, "did you mean 'epochs'"),
        ({"methods": ["zero_shot", "zero_shot"]}, "zero_shot given twice: give a second variant its own label"),
        ({"limits": {"train": 0}}, "limits.train"),
        ({"limits": {"trian": 5}}, "did you mean 'train'"),
        ({"name": "../up"}, "name"),
        ({"methods": [{"method": "zero_shot", "order": 1}]}, "zero_shot+order-1 has an order, but no demonstrations"),
        ({"methods": [{"method": "zero_shot", "label_noise": 0.1}]}, "zero_shot learns from no labels"),
        ({"methods": [{"method": "ridge", "label_noise": 1.0}]}, "label_noise"),
        ({"dtype": "float16"}, "dtype"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write, changes, message):
    with pytest.raises(CardError, match=r"one\.yaml:\d+: ") as caught:
        load_experiment(write(**changes))
    assert message in str(caught.value)


def test_unknown_cards_are_named_with_the_nearest(write):
    with pytest.raises(CardError, match="'rotten_tomatoes'"):
        load_experiment(write(datasets=["rotten_tomatos"])).dataset_cards()
    with pytest.raises(CardError, match="cannot read the card"):
        load_experiment("no-such-folder/experiment.yaml")
    with pytest.raises(CardError, match="did you mean 'quickstart'"):
        load_experiment("quikstart")


def test_two_cards_of_one_name_are_reported(write, tmp_path):
    for kind, own in (("datasets", "rotten_tomatoes"), ("models", "smollm2-135m-instruct")):
        copy = shutil.copy(CARDS / kind / f"{own}.yaml", tmp_path / f"{kind}.yaml")
        experiment = load_experiment(write(**{kind: [own, str(copy)]}))
        with pytest.raises(CardError, match=rf"^{own} and {copy} are both named '{own}': give one card another name$"):
            experiment.model_cards(tmp_path), experiment.dataset_cards()


def test_overrides_are_applied_before_validation(write):
    changed = load_experiment(write(), parse_overrides(["shots=[16,64]", "limits.train=100", "champion=true"]))
    assert (changed.shots, changed.limits.train, changed.champion) == ([16, 64], 100, True)
    for setting, messages in (
        ("limits.train=none", "with limits.train set: limits.train: "),
        ("limits={train:5}", "with limits set: unknown key 'train:5' in limits: did you mean 'train'?"),
        ("shotz=[1]", "with shotz set: unknown key 'shotz' in the card: did you mean 'shots'?"),
    ):
        with pytest.raises(CardError, match=rf"\.yaml, {re.escape(messages)}"):
            load_experiment(write(), parse_overrides([setting]))
    for wrong in ("shots", "shots=[1"):
        with pytest.raises(CardError, match="--set"):
            parse_overrides([wrong])


def test_a_card_survives_its_own_json(write):
    experiment = load_experiment(write())
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment
