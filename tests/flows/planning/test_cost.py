"""What a plan will cost, before and after its data are known."""

import pytest

from flows.planning.cost import (
    CHARACTERS_A_TOKEN,
    COMPRESSED,
    DEMONSTRATIONS_FACTOR,
    OF_EARLIER_RUNS,
    ONCE_SECONDS,
    TIMED,
    TRAINING_FACTOR,
)
from flows.planning.cost import estimate as estimate_with
from tasks.steps.facts import FitFacts
from tasks.views import calibration
from tasks.views.calibration import Calibration
from tests.tasks.worlds import LABELS, SPLITS, compute, fit_of, model

FIT, FIGURES = 0.5, 9.0  # seconds, as if timed
TOKEN = 0.001


@pytest.fixture(autouse=True)
def timed(monkeypatch):
    """Nothing is timed."""
    monkeypatch.setattr(calibration, "time_tokens", lambda *_: TOKEN)
    monkeypatch.setattr(calibration, "time_fit", lambda *_: FIT)
    monkeypatch.setattr(calibration, "time_metrics", lambda *_: FIGURES)


def estimate(plan, **options):
    return estimate_with(plan, Calibration(plan.home, **options))


def seconds_of(tokens):
    """Of so many tokens, by the weights of the model beside those of the two layers that are timed."""
    card = model()
    inside = card.parameters - card.vocabulary_size * card.hidden_size
    inner = max(64, (inside / card.layers / card.hidden_size - 4 * card.hidden_size) / 3)
    timed = 2 * (4 * card.hidden_size**2 + 3 * card.hidden_size * round(inner))
    return tokens * TOKEN * inside / timed


def test_rows_that_were_never_read_count_at_their_caps(world):
    caps = {"limits.train": 30, "limits.validation": 6, "limits.test": 12}
    cost = estimate(world.plan(**caps, max_tokens=20))
    assert cost["prompts"] == 48
    assert cost["tokens"] == 48 * 20
    assert cost["bytes"] == pytest.approx(48 * 32 * 4 * COMPRESSED["float32"])
    assert cost["seconds"] == pytest.approx(seconds_of(48 * 20))
    assert cost["basis"] == TIMED
    assert cost["unread"] == []


def test_a_set_without_caps_that_was_never_read_is_named(world):
    cost = estimate(world.plan(**{"limits.test": 12}))
    assert cost["prompts"] == 12
    assert cost["unread"] == ["made"]


def test_a_second_reading_and_the_words_that_are_scored_count_before_the_data_are_read_too(world):
    caps = {"limits.train": 30, "limits.validation": 6, "limits.test": 12, "methods": ["zero_shot"], "shots": [0]}
    one, twice = (estimate(world.plan(**caps, layers=[layer], max_tokens=20)) for layer in ("last", "last:echo"))
    assert (one["tokens"], twice["tokens"]) == (18 * 20, 2 * 18 * 20)
    assert twice["seconds"] == pytest.approx(2 * one["seconds"])
    scored = estimate(world.plan(**caps | {"methods": [{"method": "zero_shot", "scoring": "exact"}]}, max_tokens=20))
    letters = sum(len(label["word"]) for label in LABELS)
    assert scored["tokens"] == 18 * (20 + round(letters / CHARACTERS_A_TOKEN))
    assert scored["bytes"] == pytest.approx(18 * len(LABELS) * 4 * COMPRESSED["float32"])


def test_prompts_are_counted_once_the_examples_are_there(world):
    plan = world.plan()
    compute(plan, ("examples",))
    cost = estimate(plan)
    assert cost["prompts"] == sum(SPLITS.values())
    assert 5 * cost["prompts"] < cost["tokens"] < 30 * cost["prompts"], "six to thirteen words and the template"
    assert cost["unread"] == []
    truncated = estimate(world.plan(max_tokens=3))
    assert truncated["tokens"] == 3 * cost["prompts"]
    chunked = estimate(world.plan(max_tokens=16, max_chunks=9))
    assert cost["tokens"] < chunked["tokens"] < 2 * cost["tokens"], "each chunk has the template"
    assert chunked["prompts"] == cost["prompts"]
    of_words = []
    for chunks in (1, 9):
        settings = {"shots": [0], "max_tokens": 16, "max_chunks": chunks}
        scored, plain = (
            estimate(world.plan(methods=[{"method": "zero_shot"} | how], **settings))["tokens"]
            for how in ({"scoring": "exact"}, {})
        )
        of_words.append(scored - plain)
    assert of_words[1] > 1.2 * of_words[0] > 0, "the words are scored after each chunk"
    deeper = estimate(world.plan(layers=[1, 2, 3]))
    assert deeper["bytes"] == pytest.approx(3 * cost["bytes"])


def test_what_is_there_costs_nothing_and_its_rate_states_of_the_rest(world):
    plan = world.plan()
    compute(plan, ("examples", "states"))
    cost = estimate(plan)
    assert (cost["prompts"], cost["tokens"], cost["bytes"], cost["seconds"]) == (0, 0, 0, 0)
    assert cost["fits"] == len(plan.fits)
    facts = [manifest.facts for manifest in plan.lake.manifests("states")]
    rate = sum(fact["tokens"] for fact in facts) / sum(fact["seconds"] for fact in facts)
    more = estimate(world.plan(layers=[1]))
    assert more["seconds"] == pytest.approx(more["tokens"] / rate / 3), "the first of three layers"
    assert more["basis"] == OF_EARLIER_RUNS
    assert estimate(world.plan(dtype="bfloat16"))["basis"] == TIMED


def test_states_that_two_methods_share_are_counted_once(world):
    caps = {"limits.train": 30, "limits.validation": 6, "limits.test": 12}
    one = estimate(world.plan(**caps, methods=["batch_calibration"], shots=[0]))
    all_methods = estimate(world.plan(**caps))
    for what in ("prompts", "tokens", "bytes", "seconds"):
        assert all_methods[what] == one[what]


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
    assert estimate(world.plan(methods=["zero_shot"], shots=[0]))["basis"] == TIMED


def test_fits_and_scores_are_in_the_seconds(world):
    plan = world.plan(methods=["zero_shot", "linear_probe"], shots=[0, 4], seeds=[0, 1])
    compute(plan, ("examples",))
    cost = estimate(plan)
    assert cost["fits"] == 2
    assert cost["fit_seconds"] == pytest.approx(FIT + 2 * FIT), "no seed matters without labels"
    assert cost["fit_basis"] == TIMED
    rows = SPLITS["validation"] + 2 * SPLITS["test"]
    assert cost["record_seconds"] == pytest.approx(ONCE_SECONDS + 3 * rows * FIGURES / 900)
    assert cost["total_seconds"] == pytest.approx(cost["seconds"] + cost["fit_seconds"] + cost["record_seconds"])
    assert cost["unknown"] == []


def test_fits_of_earlier_runs_are_preferred_and_grow_with_the_rows(world):
    before = world.plan(methods=["linear_probe"], shots=[4])
    compute(before)
    manifest = fit_of(before, "linear_probe", 4).predictions.partition(before.lake).manifest()
    seconds = FitFacts.model_validate(manifest.facts).seeds
    mean = sum(seed.fit_seconds for seed in seconds) / len(seconds)
    more = estimate(world.plan(methods=["linear_probe"], shots=[4, 8], seeds=[0]))
    assert more["fit_basis"] == OF_EARLIER_RUNS
    assert more["fit_seconds"] == pytest.approx(mean + 2 * mean), "four and eight labels per class"
    assert estimate(before)["total_seconds"] == pytest.approx(ONCE_SECONDS), "only the record is due"


def test_what_the_budget_does_not_allow_is_not_known(world):
    plan = world.plan(methods=["zero_shot", "lora"], shots=[0, 4])
    compute(plan, ("examples",))
    assert estimate(plan)["unknown"] == []
    (world.home.cache / "calibration.json").unlink()
    cost = estimate(plan, budget=0.0)
    assert cost["unknown"] == ["lora", "states of tiny-llama", "zero_shot"]
    assert cost["total_seconds"] == ONCE_SECONDS


def test_an_adapter_costs_its_steps_at_every_rate_whatever_its_rows(world):
    params = {"steps": 10, "batch_size": 8, "learning_rates": [1e-3, 1e-2]}
    methods = [{"method": "lora", "params": params}]
    unread = world.plan(methods=methods, shots=[4], seeds=[0, 1], max_tokens=20, **{"limits.validation": 6})
    trained, scored = 3 * 10 * 8 * 20, 6 * 20
    expected = 2 * seconds_of(TRAINING_FACTOR * trained + scored)
    assert estimate(unread)["fit_seconds"] == pytest.approx(expected)
    plan = world.plan(methods=methods, shots=[4, 8], seeds=[0])
    compute(plan, ("examples",))
    cost = estimate(plan)
    assert (cost["unknown"], cost["fit_basis"]) == ([], TIMED)
    some = estimate(world.plan(methods=methods, shots=[4], seeds=[0]))
    assert cost["fit_seconds"] == pytest.approx(2 * some["fit_seconds"])
    assert some["fit_seconds"] < expected, "prompts are shorter than they may be"
