"""The JSON Schemas of cards: current, and of one mind with what reads the cards."""

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scripts.card_schemas import CARDS, DATA, card_schema, schema_files
from vocabsem.cards.loader import read_yaml
from vocabsem.errors import CardError

SHIPPED = [path for kind in CARDS for path in sorted((DATA / kind).glob("*.yaml"))]
ABSENT = object()


@pytest.fixture(scope="module")
def schemas():
    return {kind: Draft202012Validator(card_schema(kind)) for kind in CARDS}


def shipped(kind, name):
    return yaml.safe_load((DATA / kind / f"{name}.yaml").read_text())


def changed(card, path, value):
    card = copy.deepcopy(card)
    *parents, last = path
    inner = card
    for key in parents:
        inner = inner[key]
    if value is ABSENT:
        del inner[last]
    else:
        inner[last] = value
    return card


def is_read(kind, card, folder):
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(card))  # a number such as 1e-05 of JSON is a text in YAML
    try:
        read_yaml(path, CARDS[kind])
    except CardError:
        return False
    return True


def test_schemas_are_current():
    for path, text in schema_files().items():
        assert path.read_text() == text, f"{path}: run make docs"


@pytest.mark.parametrize("kind", CARDS)
def test_schemas_are_schemas(kind):
    Draft202012Validator.check_schema(card_schema(kind))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_cards_name_the_schema_that_holds_for_them(path, schemas):
    first, _, text = path.read_text().partition("\n")
    schema = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.resolve() == DATA / "schemas" / f"{path.parent.name}.json"
    assert [error.message for error in schemas[path.parent.name].iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "good"),
    [
        ("experiments", "quickstart", ["methods", 0], "mine", None),  # of a package that may be installed
        ("experiments", "quickstart", ["methods", 0], {"method": "ridge", "params": {"layers": 2}}, True),
        ("experiments", "quickstart", ["methods", 0], {"method": "ridge", "params": {"layer": 2}}, False),
        ("experiments", "quickstart", ["methods", 0], {"method": "ridge", "params": {"layers": "2"}}, False),
        ("experiments", "quickstart", ["methods", 0], {"method": "ridge", "params": {"alphas": []}}, False),
        ("experiments", "quickstart", ["methods", 3], {"method": "centroid", "params": {"metric": "l3"}}, False),
        ("experiments", "quickstart", ["datasets"], ["trec@bare", "mine/card.yaml"], True),
        ("experiments", "quickstart", ["datasets"], [], False),
        ("experiments", "quickstart", ["shots"], [0, 16, "all"], True),
        ("experiments", "quickstart", ["shots"], [-1], False),
        ("experiments", "quickstart", ["shot"], [1], False),
        ("experiments", "quickstart", ["limits", "train"], "many", False),
        ("experiments", "quickstart", ["models"], ABSENT, False),
        ("models", "smollm2-135m", ["prepend_bos"], ABSENT, False),
        ("models", "smollm2-135m", ["prepend_bos"], "no", False),
        ("models", "smollm2-135m", ["layers"], 0, False),
        ("datasets", "bbc_news", ["labels", 0, "value"], [1, "one"], True),
        ("datasets", "bbc_news", ["labels", 0, "text"], "x", False),
        ("datasets", "bbc_news", ["format"], "xlsx", False),
        ("datasets", "bbc_news", ["split", "test"], 1.5, False),
    ],
)
def test_schemas_refuse_and_take_what_the_commands_do(kind, name, path, value, good, schemas, tmp_path):
    card = changed(shipped(kind, name), path, value)
    assert schemas[kind].is_valid(card) is (good is not False)
    assert is_read(kind, card, tmp_path) is (good is True)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.sampled_from(["", "x", "all"]))
CARD_KEYS = st.sampled_from(
    [
        (kind, path.stem, key)
        for kind in CARDS
        for path in sorted((DATA / kind).glob("*.yaml"))[:2]
        for key in CARDS[kind].model_fields
    ]
)


@given(where=CARD_KEYS, value=VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.just("x"), VALUES))
def test_a_schema_marks_no_card_that_the_commands_read(where, value, schemas, tmp_path_factory):
    kind, name, key = where
    card = changed(shipped(kind, name), [key], value)
    if is_read(kind, card, tmp_path_factory.getbasetemp()):
        assert [error.message for error in schemas[kind].iter_errors(card)] == []
