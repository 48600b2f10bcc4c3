"""Variants of a data set that differ in label words alone have their states extracted once."""

import pyarrow.parquet as pq
import pytest

from flows.extract import extract
from flows.planning.cost import estimate
from flows.planning.shared_states import same_prompts
from tasks.copy_shards import copy_shards
from tasks.steps.facts import StatesFacts, facts_of
from tasks.views.calibration import Calibration
from tests.tasks.worlds import SPLITS, compute

VARIANTS = {"templates": {"bare": "{text} :"}, "words": {"plain": ["was", "review", "film"]}}
SHOWN = {"methods": [{"method": "zero_shot", "demonstrations": 1}], "shots": [0]}


@pytest.fixture
def card(world):
    return str(world.write_dataset(**VARIANTS))


def planned(world, card, *variants, **settings):
    return world.plan(champion=False, datasets=[f"{card}{variant}" for variant in variants], **settings)


def sources(plan, at=0):
    pair = plan.pairs[at]
    return {same_prompts(plan, step, pair) for step in pair.states.values()}


def test_states_of_the_same_prompts_are_found_under_every_name(world, card):
    words, both = planned(world, card, "@words-plain"), planned(world, card, "@bare", "@bare@words-plain")
    assert sources(words) == {None}, "not there yet"
    base, bare = planned(world, card, ""), planned(world, card, "@bare")
    compute(base, ("examples", "states"))
    assert sources(words) == set(base.pairs[0].states.values())
    assert sources(both, 1) == sources(bare) == {None}, "another template"
    compute(bare, ("examples", "states"))
    assert sources(both, 1) == set(bare.pairs[0].states.values())
    longer = planned(world, card, "@words-plain", max_tokens=8)
    assert sources(longer) == {None}, "other prompts"


def test_words_that_are_there_serve_the_card_itself_in_the_same_plan(world, card):
    words, both = planned(world, card, "@words-plain"), planned(world, card, "", "@words-plain")
    compute(words, ("examples", "states"))
    assert sources(both, 0) == set(words.pairs[0].states.values())


def test_demonstrations_show_their_label_words(world, card):
    base, words = planned(world, card, "", **SHOWN), planned(world, card, "@words-plain", **SHOWN)
    compute(base, ("examples", "states"))
    assert len(words.pairs[0].states) == len(base.pairs[0].states)
    assert sources(words) == {None}


def test_copies_have_every_number_and_keep_what_was_finished(world, card):
    base, words = planned(world, card, ""), planned(world, card, "@words-plain")
    compute(base, ("examples", "states"))
    compute(words, ("examples",))
    (source,), step = [base.pairs[0].states["test"]], words.pairs[0].states["test"]
    copy_shards.fn(world.home, source, step)
    copied, published = step.partition(words.lake), source.partition(base.lake)
    names = [entry.name for entry in published.manifest().files]
    written = [(copied.path / name).stat().st_mtime_ns for name in names]
    for name in names:
        one, other = (pq.read_table(partition.path / name, partitioning=None) for partition in (copied, published))
        assert one.equals(other, check_metadata=True)
    copy_shards.fn(world.home, source, step)
    assert [(copied.path / name).stat().st_mtime_ns for name in names] == written


def test_a_plan_counts_the_bytes_of_copies_and_no_time(world, card):
    def cost(plan):
        return estimate(plan, Calibration(plan.home, budget=0))

    caps = {"limits.train": 30, "limits.validation": 6, "limits.test": 12, "max_tokens": 20}
    base, both = planned(world, card, "", **caps), planned(world, card, "", "@words-plain", **caps)
    one, two = cost(base), cost(both)
    assert (one["prompts"], one["tokens"]) == (two["prompts"], two["tokens"]) == (48, 48 * 20)
    assert two["bytes"] == pytest.approx(2 * one["bytes"])
    compute(planned(world, card, ""), ("examples", "states"))
    compute(planned(world, card, "@words-plain"), ("examples",))
    rest = cost(planned(world, card, "", "@words-plain"))
    assert (rest["prompts"], rest["tokens"]) == (0, 0)
    assert rest["bytes"] > 0


@pytest.mark.medium
def test_a_flow_copies_instead_of_extracting(world, card, recorded):
    base, words = planned(world, card, ""), planned(world, card, "@words-plain")
    compute(base, ("examples", "states"))
    with recorded(world.home):
        extract(
            experiment=world.card, overrides={"datasets": [f"{card}@words-plain"], "champion": False},
            home=str(world.home.root),
        )  # fmt: skip
    for split, step in words.pairs[0].states.items():
        copied, source = (one.partition(words.lake) for one in (step, base.pairs[0].states[split]))
        assert copied.table().equals(source.table())
        assert len(copied.table()) == SPLITS[split]
        facts = [facts_of(partition.manifest(), StatesFacts) for partition in (copied, source)]
        assert facts[0] == facts[1], "its seconds too: nothing was computed again"
        copied.verify()
