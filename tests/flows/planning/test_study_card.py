"""Cards of studies: what they take and refuse, and the names of those that are changed."""

import pytest
import yaml

from flows.cli.study_plan_view import is_study
from flows.planning.study_card import StudyCard, load_study
from tests.tasks.worlds import write_card
from vocabsem.cards.folders import list_cards
from vocabsem.errors import CardError

CONTENT = {
    "name": "mine",
    "study": "rate_distortion",
    "description": "labels of two sets",
    "model": "smollm2-135m-instruct",
    "datasets": ["trec", "sst5"],
    "layers": [0, 0.5, "last"],
}


@pytest.fixture
def card(tmp_path):
    """Writes a card with changes; a value `...` leaves a key out."""

    def write(**changes):
        content = {key: value for key, value in (CONTENT | changes).items() if value is not ...}
        return str(write_card(tmp_path / "mine.yaml", content))

    return write


def test_defaults_are_those_of_the_schema(card):
    study = load_study(card())
    assert (study.seed, study.resamples, study.null_draws, study.pooling, study.dtype) == (0, 1000, 100, "last", "auto")
    assert study.layers == [0, 0.5, "last"]
    assert load_study(card(layers="all")).layers == "all"
    assert study.limits.train is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": ...}, "missing key 'study'"),
        ({"description": ...}, "missing key 'description'"),
        ({"device": "offload:8GB"}, "a study reads weights where they are"),
        ({"layer": [1]}, "unknown key 'layer' in the card: did you mean 'layers'"),
        ({"layers": "some"}, "layers"),
        ({"layers": ["18:mean"]}, "layers"),
        ({"name": "With Space"}, "name: String should match"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"resamples": 10}, "resamples: Input should be greater than or equal to 100"),
        ({"limits": {"train": 0}}, "limits.train"),
        ({"datasets": []}, "reads states of data sets: fix 'datasets'"),
        ({"params": {"starts": 0}}, "starts is 0: give a number above 0, as in starts: 4"),
        ({"params": {"starts": [1]}}, "starts is"),
        ({"files": {"simlex": "file:x"}}, "reads the files none, and the card gives simlex"),
        ({"templates": {"word": "{text"}}, "templates.word"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(card, changes, message):
    path = card(**changes)
    with pytest.raises(CardError, match=message) as error:
        load_study(path)
    assert path in str(error.value)


SYNTAX = {"study": "syntax", "datasets": ..., "files": {"train": "python:json/", "test": "python:email/"}}


def test_a_parameter_that_is_true_or_false_is_one_of_these(card):
    assert load_study(card(**SYNTAX, params={"control": False})).params == {"control": False}
    for value in (0, 1, "no", [True]):
        with pytest.raises(CardError, match=r"control is .*: give true or false"):
            load_study(card(**SYNTAX, params={"control": value}))
    with pytest.raises(CardError, match="functions is True: give a number of at least 10"):
        load_study(card(**SYNTAX, params={"functions": True}))


def test_an_unknown_card_is_refused_with_the_nearest():
    with pytest.raises(CardError, match=r"unknown study 'lexicom' in .*: did you mean 'lexicon'"):
        load_study("lexicom")


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({}, "mine"),
        ({"seed": 0}, "mine"),
        ({"device": "cuda", "description": "other"}, "mine"),
        ({"seed": 4}, "mine--seed-4"),
        ({"seed": 4, "device": "cuda"}, "mine--seed-4"),
        ({"params.starts": 2}, "mine--params-starts-2"),
        ({"limits.test": 50}, "mine--limits-test-50"),
        ({"layers": "all"}, "mine--layers-all"),
        ({"seed": 4, "name": "chosen"}, "chosen"),
    ],
)
def test_what_changes_figures_changes_the_name(card, overrides, name):
    assert load_study(card(), overrides).name == name


def test_overrides_of_different_values_have_different_names(card):
    path = card()
    names = {load_study(path, {"model": f"hf:org/{name}"}).name for name in ("one", "two")}
    assert len(names) == 2
    assert all(name.startswith("mine--model-hf-org-") for name in names)


def test_a_study_is_known_by_its_name_or_its_key(card, tmp_path):
    assert all(is_study(name) for name in list_cards("studies"))
    assert not any(is_study(name) for name in list_cards("experiments"))
    assert is_study(card())
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(yaml.safe_dump({"name": "x", "methods": ["ridge"]}))
    assert not is_study(str(experiment))
    assert not is_study("no_such_card")
    assert not is_study(str(tmp_path / "absent.yaml"))


def test_every_key_is_described():
    assert all(field.description for field in StudyCard.model_fields.values())
