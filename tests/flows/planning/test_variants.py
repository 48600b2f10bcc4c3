"""Overrides make an experiment of its own; what changes no score does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.planning.experiment import Experiment, load_experiment
from flows.planning.variants import LONGEST, card_of, load_variant, variant_name


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({"shots": [0, 4]}, "quickstart--shots-0-4"),
        ({"temperature": False, "limits.train": 100}, "quickstart--limits-train-100-temperature-false"),
        ({"datasets": ["bbc_news"], "device": "cpu", "seeds": [0, 1, 2]}, "quickstart--datasets-bbc_news"),
    ],
)
def test_a_variant_is_named_after_its_overrides_and_registers_no_champion(overrides, name):
    variant = load_variant("quickstart", overrides)
    assert (variant.name, variant.champion) == (name, False)
    assert load_experiment("quickstart").champion is True
    assert card_of(name) == "quickstart"
    changed = load_experiment("quickstart", overrides)
    assert variant.model_copy(update={"name": "quickstart", "champion": True}) == changed


@pytest.mark.parametrize(
    "overrides",
    [None, {}, {"device": "cpu"}, {"shard_rows": 100}, {"seeds": [0, 1, 2]}, {"description": "x"}, {"champion": True}],
)
def test_what_changes_no_score_keeps_the_name(overrides):
    assert load_variant("quickstart", overrides) == load_experiment("quickstart", overrides)
    assert card_of(load_variant("quickstart", overrides).name) is None


def test_a_name_of_the_users_own_is_kept():
    mine = load_variant("quickstart", {"name": "mine", "shots": [0]})
    assert (mine.name, mine.champion) == ("mine", True)


def test_a_champion_that_is_wanted_is_registered():
    assert load_variant("quickstart", {"shots": [0, 4], "champion": True}).champion


VALUES = st.one_of(
    *(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text(max_size=80)),
    st.lists(st.text(max_size=9), max_size=9),
)
OVERRIDES = st.dictionaries(st.sampled_from(["shots", "limits.train", "dtype"]), VALUES, min_size=1)


@given(OVERRIDES)
def test_a_name_is_one_that_a_card_may_have(overrides):
    name = variant_name("quickstart", overrides)
    assert len(name) <= LONGEST
    assert Experiment.model_validate(load_experiment("quickstart").model_dump() | {"name": name}).name == name


def test_values_that_read_alike_have_different_names():
    assert variant_name("a", {"models": ["b-c"]}) != variant_name("a", {"models": ["b", "c"]})
    assert variant_name("a", {"x": 0.1}) != variant_name("a", {"x": "0-1"})
    assert variant_name("a" * 50, {"x": 1}) != variant_name("a" * 50, {"x": 11})
