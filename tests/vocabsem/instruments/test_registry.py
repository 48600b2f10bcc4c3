"""The registry of studies: each has its instrument, its task's module, its card, its view and its page."""

import re
from importlib import import_module

import pytest

from flows.planning.study_card import load_study
from tests.conftest import ROOT
from vocabsem.cards.folders import list_cards
from vocabsem.errors import CardError
from vocabsem.instruments.registry import check_study, study_info, study_infos


@pytest.mark.parametrize("name", study_infos())
def test_a_study_is_whole(name):
    module = import_module(f"vocabsem.instruments.{name}")
    assert callable(getattr(module, f"{name}_study"))
    assert callable(import_module(f"tasks.studies.{name}").measure)
    assert (ROOT / "vocabsem" / "instruments" / f"{name}.py").read_text().count("\n") <= 200
    card = load_study(name)
    assert (card.name, card.study) == (name, name)
    own = {name for name, source in card.files.items() if source.startswith("python:")}  # of the interpreter that runs
    assert set(card.sha256) == set(card.files) - own, "pinned"
    assert f"create or replace view study_{name} as" in (ROOT / "warehouse/catalog/sql/studies.sql").read_text()
    page = (ROOT / "docs" / "studies" / f"{name}.md").read_text()
    assert page.count("\n") <= 60
    assert len(re.findall(r"^!\[.*\]\(", page, re.MULTILINE)) == 1, "one figure"
    assert page.count("**In a sentence:**") == page.count("**What it does not show.**") == 1


def test_every_card_is_of_a_study():
    assert {load_study(name).study for name in list_cards("studies")} == set(study_infos())


FILES = dict.fromkeys(study_info("lexicon").files, "file:x")


@pytest.mark.parametrize(
    ("params", "files", "datasets", "message"),
    [
        ({"cvs": 3}, FILES, False, "no parameter 'cvs': did you mean 'cv'"),
        ({"cv": 0}, FILES, False, "cv is 0: give a number of at least 2, as in cv: 5"),
        ({"cv": 1}, FILES, False, "cv is 1: give a number of at least 2"),
        ({"max_words": 4}, FILES, False, "max_words is 4: give a number of at least 5"),
        (
            {"exponents": [0.5, float("inf")]},
            FILES,
            False,
            r"exponents is \[0.5, inf\]: give a list of numbers above 0",
        ),
        ({"exponents": [float("nan")]}, FILES, False, r"exponents is \[nan\]"),
        ({"cv": 2.5}, FILES, False, "cv is 2.5"),
        ({"cv": True}, FILES, False, "cv is True"),
        ({"exponents": 0.5}, FILES, False, r"exponents is 0.5: give a list of numbers above 0, as in exponents: \["),
        ({"exponents": []}, FILES, False, "exponents is"),
        ({}, {"simlex": "file:x"}, False, "reads the files simlex, wordsim, .*, and the card gives simlex"),
        ({}, FILES, True, "reads no states of data sets"),
    ],
)
def test_what_a_study_cannot_use_is_refused(params, files, datasets, message):
    with pytest.raises(CardError, match=message):
        check_study("lexicon", params, files, datasets)


@pytest.mark.parametrize("datasets", [False, True])
def test_a_study_may_read_data_sets_where_a_card_names_some(datasets):
    check_study("embed", {}, dict.fromkeys(study_info("embed").files), datasets)
    with pytest.raises(CardError, match="reads states of data sets: fix 'datasets'"):
        check_study("grid", {}, {}, False)


@pytest.mark.parametrize("params", [{"k": 1025}, {"features": 16}])
def test_a_row_has_no_more_features_than_there_are(params):
    with pytest.raises(CardError, match=r"study dictionary: k is \d+, and features \d+: give at most as many"):
        check_study("dictionary", params, {}, True)
    check_study("dictionary", params | {"k": 16}, {}, True)


def test_the_least_value_of_a_parameter_is_taken():
    info = study_info("lexicon")
    assert info.least.keys() <= info.params.keys()
    check_study("lexicon", info.least, FILES, False)


@pytest.mark.parametrize("name", study_infos())
def test_what_came_later_is_a_parameter_that_keys_leave_out_at_its_default(name):
    info = study_info(name)
    assert info.later <= info.params.keys()
    assert info.in_key({}).keys() == info.params.keys() - info.later
    changed = dict.fromkeys(info.later, 77)
    assert info.in_key(changed) == info.in_key({}) | changed


def test_an_unknown_study_is_refused_with_the_nearest():
    with pytest.raises(CardError, match="unknown study 'lexicom': did you mean 'lexicon'"):
        study_info("lexicom")
