"""What a plan will cost, before and after its data are known."""

import pytest

from flows.planning.cost import COMPRESSED, DEMONSTRATIONS_FACTOR, NOMINAL_FLOPS, estimate
from tests.tasks.worlds import SPLITS, compute, model


def test_rows_that_were_never_read_count_at_their_caps(world):
    caps = {"limits.train": 30, "limits.validation": 6, "limits.test": 12}
    cost = estimate(world.plan(**caps, max_tokens=20))
    assert cost["prompts"] == 48
    assert cost["tokens"] == 48 * 20
    assert cost["bytes"] == pytest.approx(48 * 32 * 4 * COMPRESSED["float32"])
    assert cost["seconds"] == pytest.approx(48 * 20 * 2 * model().parameters / NOMINAL_FLOPS)
    assert cost["basis"] == "a rough guess before the first run"
    assert cost["unread"] == []


def test_a_set_without_caps_that_was_never_read_is_named(world):
    cost = estimate(world.plan(**{"limits.test": 12}))
    assert cost["prompts"] == 12
    assert cost["unread"] == ["made"]


def test_prompts_are_counted_once_the_examples_are_there(world):
    plan = world.plan()
    compute(plan, ("examples",))
    cost = estimate(plan)
    assert cost["prompts"] == sum(SPLITS.values())
    assert 5 * cost["prompts"] < cost["tokens"] < 30 * cost["prompts"], "six to thirteen words and the template"
    assert cost["unread"] == []
    truncated = estimate(world.plan(max_tokens=3))
    assert truncated["tokens"] == 3 * cost["prompts"]
    deeper = estimate(world.plan(layers=[1, 2, 3]))
    assert deeper["bytes"] == pytest.approx(3 * cost["bytes"])


def test_what_is_there_costs_nothing_and_its_rate_states_of_the_rest(world):
    plan = world.plan()
    compute(plan, ("examples", "states"))
    cost = estimate(plan)
    assert (cost["prompts"], cost["tokens"], cost["bytes"], cost["seconds"]) == (0, 0, 0, 0)
    facts = [manifest.facts for manifest in plan.lake.manifests("states")]
    rate = sum(fact["tokens"] for fact in facts) / sum(fact["seconds"] for fact in facts)
    more = estimate(world.plan(layers=[1]))
    assert more["seconds"] == pytest.approx(more["tokens"] / rate)
    assert more["basis"] == "at the rate of earlier runs here"
    assert estimate(world.plan(dtype="bfloat16"))["basis"] == "a rough guess before the first run"


def test_states_that_two_methods_share_are_counted_once(world):
    caps = {"limits.train": 30, "limits.validation": 6, "limits.test": 12}
    one = estimate(world.plan(**caps, methods=["batch_calibration"], shots=[0]))
    assert estimate(world.plan(**caps)) == one


def test_a_method_that_reads_no_training_states_needs_none(world):
    caps = {"limits.train": 30, "limits.validation": 6, "limits.test": 12}
    assert estimate(world.plan(**caps, methods=["zero_shot"], shots=[0]))["prompts"] == 18


def test_states_after_demonstrations_take_longer_and_say_nothing_of_other_states(world):
    caps = {"limits.train": 30, "limits.validation": 6, "limits.test": 12}
    shown = {"methods": [{"method": "zero_shot", "demonstrations": 4}], "shots": [0], "seeds": [0]}
    plain = estimate(world.plan(**caps, methods=["zero_shot"], shots=[0]))
    after = estimate(world.plan(**caps, **shown))
    assert after["seconds"] == pytest.approx(DEMONSTRATIONS_FACTOR * plain["seconds"])
    compute(world.plan(**shown), ("examples", "states"))
    assert estimate(world.plan(methods=["zero_shot"], shots=[0]))["basis"] == "a rough guess before the first run"
