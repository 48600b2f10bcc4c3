"""Plans of the shipped studies in an empty home: what is to fetch, what it costs, what a card may not have."""

import json
from dataclasses import replace

import pytest
import yaml
from jsonschema import Draft202012Validator

from flows.planning.study import SPLITS, StudyCost, make_study_plan, study_cost
from flows.planning.study_card import load_study
from tasks.steps.study_specs import STORED
from tests.conftest import ROOT
from tests.tasks.worlds import write_card
from vocabsem.cards.folders import list_cards
from vocabsem.errors import CardError
from vocabsem.instruments.registry import study_info
from warehouse.home import Home

NAMES = list_cards("studies")
TOLERANCES = [{}, {"params.tolerance": 0.01}, {"params.tolerance": 0.02}]
PATHS = {name: ROOT / "data" / "studies" / f"{name}.yaml" for name in NAMES}


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def changed(tmp_path):
    """Writes a shipped card with changes; a value `...` leaves a key out."""

    def write(name, **changes):
        content = yaml.safe_load(PATHS[name].read_text()) | changes
        return str(write_card(tmp_path / f"{name}.yaml", {k: v for k, v in content.items() if v is not ...}))

    return write


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_card_is_valid_by_its_schema_and_loads_by_name_and_path(name):
    schema = json.loads((ROOT / "data" / "schemas" / "studies.json").read_text())
    Draft202012Validator(schema).validate(yaml.safe_load(PATHS[name].read_text()))
    assert load_study(name) == load_study(str(PATHS[name]))
    assert load_study(name).citation


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("key", "nearest"), [("models", "model"), ("resample", "resamples"), ("zzz", None)])
def test_an_unknown_key_is_refused_with_the_nearest(changed, name, key, nearest):
    path = changed(name, **{key: 1})
    with pytest.raises(CardError, match=f"unknown key '{key}' in the card: ") as error:
        load_study(path)
    assert path in str(error.value)
    assert (f"did you mean '{nearest}'" in str(error.value)) == (nearest is not None)
    with pytest.raises(CardError, match=f"unknown key '{key}'"):
        load_study(name, {key: 1})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["study", "model", "layers", "description"])
def test_a_card_without_a_key_is_refused(changed, name, key):
    with pytest.raises(CardError, match=f"missing key '{key}'"):
        load_study(changed(name, **{key: ...}))


@pytest.mark.parametrize("name", NAMES)
def test_the_keys_of_a_shipped_study_are_known_in_an_empty_home(home, name):
    plan = make_study_plan(load_study(name), home)
    assert (plan.unfetched, plan.done) == ([], False), "every source is pinned"
    anchors, items, values = plan.steps
    assert (items.spec.anchors, values.spec.study_items) == (anchors.key, items.key)
    info = study_info(name)
    assert set(items.spec.params) == set(info.params) - info.later
    stored = {kind: getattr(items.spec, kind) for kind in STORED}
    read = stored.pop("token_states" if info.tokens else "head_outputs" if info.heads else "states")
    assert set(read) == {f"{dataset}/{split}" for dataset in plan.card.datasets for split in SPLITS}
    assert not any(stored.values())
    if plan.data:
        stored = [pair.studied or pair.states for pair in plan.data.pairs]
        assert [set(each) for each in stored] == [set(SPLITS)] * len(plan.card.datasets)
        assert not any(pair.fits for pair in plan.data.pairs)
    assert not home.lake.exists()


def test_without_hashes_no_key_is_known_and_every_file_is_to_fetch(home, changed):
    card = load_study(changed("lexicon", sha256={}))
    plan = make_study_plan(card, home)
    assert plan.unfetched == list(card.files.values())
    assert (plan.steps, plan.done, study_cost(plan).states) == (None, False, None)
    one = {key: digest for key, digest in load_study("lexicon").sha256.items() if key != "senses"}
    assert make_study_plan(load_study(changed("lexicon", sha256=one)), home).unfetched == [card.files["senses"]]


def test_what_is_compared_with_the_last_layer_needs_it(home, changed):
    with pytest.raises(CardError, match="it compares layers with the last, 30: add last to layers"):
        make_study_plan(load_study(changed("commitment", layers=[6, 12])), home)
    assert make_study_plan(load_study(changed("commitment", layers=[6, "last"])), home).steps[1].spec.layers == (6, 30)


def test_without_a_run_the_cost_is_that_of_the_registry_by_the_size_of_the_model(home):
    plan = make_study_plan(load_study("lexicon"), home)
    assert study_cost(plan) == StudyCost(0.0, pytest.approx(study_info("lexicon").seconds), measured=False)
    larger = replace(plan, model=plan.model.model_copy(update={"parameters": 3 * plan.model.parameters}))
    assert study_cost(larger).study == pytest.approx(3 * study_info("lexicon").seconds)


@pytest.mark.parametrize(
    "overrides",
    [
        {"seed": 1},
        {"resamples": 200},
        {"null_draws": 50},
        {"params.cv": 3},
        {"layers": [3]},
        {"templates.word": "{text}"},
    ],
)
def test_what_changes_figures_changes_their_key_and_not_that_of_the_anchors(home, overrides):
    one, other = (make_study_plan(load_study("lexicon", each), home).steps for each in ({}, overrides))
    assert one[0].key == other[0].key
    assert one[1].key != other[1].key
    assert one[2].key != other[2].key


def test_a_parameter_that_came_later_is_in_the_key_where_it_differs_from_its_default(home):
    one, same, other = (make_study_plan(load_study("grid", each), home).steps[1].spec for each in TOLERANCES)
    assert one.model_copy(update={"card": same.card}) == same, "the name of a variant aside"
    assert "tolerance" not in one.params
    assert other.params == one.params | {"tolerance": 0.02}


def test_what_only_describes_a_study_changes_no_key(home):
    texts = {"description": "other", "license": "MIT", "citation": "none", "device": "cpu"}
    one, other = (make_study_plan(load_study("lexicon", each), home).steps for each in ({}, texts))
    assert [step.key for step in one] == [step.key for step in other]
