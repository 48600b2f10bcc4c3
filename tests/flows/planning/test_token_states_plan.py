"""The plan of a study of all tokens: what determines their key, what they take of memory, disk and time."""

import numpy as np
import pytest

from flows.planning.cost import estimate
from flows.planning.memory import extraction_bytes, solving_bytes, weight_bytes
from flows.planning.study import make_study_plan, study_cost
from flows.planning.study_card import load_study
from tasks.steps.kinds import spec_of
from tasks.steps.specs import TokenStatesSpec
from tasks.views.calibration import Calibration
from tests.tasks.worlds import World, compute, model
from vocabsem.errors import BadInput, CardError
from warehouse.lake.keys import partition_key

WIDTH = 64


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world whose examples are there. Only to be read."""
    world = World(tmp_path_factory.mktemp("planned"))
    compute(world.plan(), ("examples",))
    return world


def planned(world, **overrides):
    settings = {"layers": [1, "last"], "max_tokens": 20} | overrides
    return make_study_plan(load_study(world.write_study("dictionary", **settings)), world.home)


def tokens_of(plan, split="train"):
    (pair,) = plan.data.pairs
    return pair.studied[split]


def test_a_step_of_all_tokens_has_the_prompts_of_the_states_of_last_tokens(world):
    step, states = tokens_of(planned(world)), world.plan(max_tokens=20).pairs[0].states["train"]
    own, other = step.spec.model_dump(), states.spec.model_dump()
    shared = set(own) - {"layers"}
    assert {name: own[name] for name in shared} == {name: other[name] for name in shared}
    assert set(other) - set(own) == {"pooling"}
    assert step.key != states.key
    assert step.key == partition_key(step.spec.canonical())


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"layers": ["last"]}, False),
        ({"max_tokens": 19}, False),
        ({"limits": {"train": 30}}, False),
        ({"dtype": "bfloat16"}, False),
        ({"seed": 5}, True),
        ({"pooling": "mean"}, True),
        ({"null_draws": 30}, True),
        ({"params": {"features": 64}}, True),
    ],
    ids=str,
)
def test_what_determines_the_tokens_changes_their_key_and_what_is_measured_of_them_does_not(world, changes, same):
    before, after = planned(world), planned(world, **changes)
    for split in ("train", "test"):
        assert (tokens_of(before, split).key == tokens_of(after, split).key) == same
    assert before.steps[1].key != after.steps[1].key, "of the study's items"


def test_the_study_reads_both_splits_and_no_states_of_last_tokens(world):
    plan = planned(world)
    (pair,) = plan.data.pairs
    assert pair.extracted == [pair.studied["train"], pair.studied["test"]]
    items = plan.steps[1].spec
    assert items.token_states == {f"made/{split}": tokens_of(plan, split).key for split in ("train", "test")}
    assert not items.states
    assert set(plan.steps[1].inputs) == {"anchors", "token_states:made/train", "token_states:made/test"}


def test_a_shard_takes_the_bytes_of_its_longest_prompts(world):
    spec = tokens_of(planned(world)).spec
    assert spec.columns(WIDTH) == 2 * 20 * WIDTH
    assert extraction_bytes(model(), spec, 16) == weight_bytes(model(), "float32") + 4 * 16 * spec.columns(
        model().hidden_size
    )


def test_weights_on_the_disk_are_not_in_memory(world):
    spec = tokens_of(planned(world)).spec
    whole, given = weight_bytes(model()), extraction_bytes(model(), spec, 16)
    assert weight_bytes(model(), device="offload:0MB") == 0
    assert weight_bytes(model(), device="offload:8GB") == whole == weight_bytes(model(), device="cpu")
    assert extraction_bytes(model(), spec, 16, "offload:0MB") == given - whole
    assert solving_bytes(model(), "offload:0MB") == solving_bytes(model()) - whole


def test_an_estimate_counts_every_prompt_once(world):
    plan = planned(world)
    cost = estimate(plan.data, Calibration(world.home))
    states = estimate(world.plan(max_tokens=20, methods=["ridge"], shots=["all"]), Calibration(world.home))
    both = [step for step in world.plan().pairs[0].states.values() if step.spec.split in ("train", "test")]
    assert len(both) == 2
    assert 0 < cost["tokens"] <= states["tokens"]
    assert cost["prompts"] == 84
    assert np.isfinite(study_cost(plan).states)


def test_a_manifest_is_read_as_the_kind_that_it_is(world):
    step = tokens_of(planned(world))

    class Manifest:
        kind, payload = step.kind, step.payload

    spec = spec_of(Manifest)
    assert type(spec) is TokenStatesSpec
    assert spec == step.spec


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [9]}, "the model has layers 0"),
        ({"layers": [1.5]}, "layers"),
        ({"datasets": []}, "study dictionary reads states of data sets"),
        ({"params": {"features": 4}}, "features is 4: give a number of at least 8"),
        ({"params": {"k": 64, "features": 32}}, "k is 64, and features 32: give at most as many"),
        ({"params": {"shots": []}}, "shots is"),
        ({"params": {"shots": 4}}, "give a list of numbers above 0"),
        ({"params": {"epochs": 0}}, "epochs is 0"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_one_clear_error_before_anything_is_extracted(world, changes, message):
    with pytest.raises((CardError, BadInput), match=message):
        planned(world, **changes)
    assert not list(world.home.lake.glob("token_states/**/*.parquet"))
