"""Outputs of attention heads by shards: a row a text, whole or not there, kept after a kill, read by their study."""

import numpy as np
import pytest

from flows.planning.cost import estimate
from flows.planning.study import make_study_plan
from flows.planning.study_card import load_study
from tasks.head_outputs import extract_head_shard
from tasks.models.loaded import inference, loaded_causal
from tasks.models.prompts import make_prompts
from tasks.publish_head_outputs import publish_head_outputs
from tasks.steps.kinds import spec_of
from tasks.steps.lake_reads import prompt_rows
from tasks.steps.shards import resumed_shards, shards
from tasks.steps.specs import HeadOutputsSpec
from tasks.study import run_study
from tasks.views.calibration import Calibration
from tests.tasks.worlds import SPLITS, World, compute
from vocabsem.errors import CardError
from vocabsem.states.head_outputs import extract_head_outputs
from warehouse.catalog import catalog
from warehouse.errors import CheckFailed
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

SIZE = 16  # rows of a shard
HEADS = 4


def planned(world, **changes):
    return make_study_plan(load_study(world.write_study("heads", **changes)), world.home)


def compute_shards(home, pair, split, spans):
    for span in spans:
        extract_head_shard.fn(home, pair.model, pair.dataset, pair.studied[split], *span, "cpu")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A world with the outputs of both splits, and the plan of their study. Only to be read."""
    world = World(tmp_path_factory.mktemp("heads"))
    compute(world.plan(), ("examples",))
    plan = planned(world)
    (pair,) = plan.data.pairs
    for split in ("train", "test"):
        compute_shards(plan.home, pair, split, shards(SPLITS[split], SIZE))
        publish_head_outputs.fn(plan.home, pair.studied[split], SPLITS[split], SIZE)
    return world, plan, pair


def test_rows_are_those_of_one_extraction_with_their_ids_and_labels(published):
    _, plan, pair = published
    step = pair.studied["test"]
    table, rows = step.partition(Lake(plan.home)).table(), prompt_rows(plan.home, step.spec)
    assert table["id"].to_pylist() == rows["id"].to_pylist()
    assert table["label"].to_pylist() == rows["label"].to_pylist()
    chunked = make_prompts(plan.home, pair.model, step.spec, [dict(each) for each in rows["fields"].to_pylist()])
    with inference():
        network = loaded_causal(pair.model, plan.home, "float32", "cpu")
        expected = extract_head_outputs(network, chunked.prompts.token_ids, [1, 2, 3])
    assert step.spec.layers == (1, 2, 3), "layer 0 is the embedding"
    for layer, values in expected.items():
        # float32, in batches of other lengths
        np.testing.assert_allclose(matrix(table[f"layer_{layer}"]), values, rtol=1e-4, atol=1e-5)


def test_the_manifest_has_the_guard_and_checks_and_is_read_as_its_kind(published):
    _, plan, pair = published
    step = pair.studied["test"]
    manifest = step.partition(Lake(plan.home)).manifest()
    checks = {check["name"]: check["detail"] for check in manifest.checks}
    assert checks["a row for every example"] == "24 rows of 24 examples"
    guard = checks["projected heads equal the attention block's output"].split()
    assert float(guard[2]) < 5e-4
    assert manifest.facts["layers"] == [1, 2, 3]
    assert manifest.facts["tokens"] > SPLITS["test"]
    spec = spec_of(manifest)
    assert type(spec) is HeadOutputsSpec
    assert spec == step.spec


def test_finished_shards_are_kept_and_a_missing_one_is_not_published(published, tmp_path):
    world = World(tmp_path)
    compute(world.plan(), ("examples",))
    plan = planned(world)
    (pair,) = plan.data.pairs
    step, spans = pair.studied["test"], shards(SPLITS["test"], SIZE)
    compute_shards(plan.home, pair, "test", spans[:1])
    with pytest.raises(RuntimeError, match=r"part-00000016-00000024.parquet of .* vanished while the run was going"):
        publish_head_outputs.fn(plan.home, step, SPLITS["test"], SIZE)
    resumed = resumed_shards(plan.home, step, SPLITS["test"], SIZE)
    assert [entry is not None for entry in resumed.values()] == [True, False]
    compute_shards(plan.home, pair, "test", spans[1:])
    assert publish_head_outputs.fn(plan.home, step, SPLITS["test"], SIZE) == step.key
    first = published[2].studied["test"].partition(Lake(published[1].home)).table()
    own = step.partition(Lake(plan.home)).table()
    for layer in ("layer_1", "layer_3"):
        np.testing.assert_array_equal(matrix(own[layer]), matrix(first[layer]))


def test_a_row_too_few_is_refused(published):
    _, plan, pair = published
    with pytest.raises((CheckFailed, RuntimeError)):
        publish_head_outputs.fn(plan.home, pair.studied["test"], SPLITS["test"] + 1, SIZE)


def test_the_study_reads_them_and_goes_back_to_them(published):
    _, plan, pair = published
    _, items, values = plan.steps
    assert set(items.inputs) == {"anchors", "head_outputs:made/train", "head_outputs:made/test"}
    assert not items.spec.states
    assert run_study.fn(plan.home, plan.model, [pair.dataset], {}, items, values, "cpu") == values.key
    catalog.rebuild(plan.home)
    rows = catalog.query(plan.home, "from study_heads").to_pylist()
    assert {(row["metric"], row["layer"]) for row in rows} == {
        *(("head_f1", layer) for layer in (1, 2, 3, None)),
        *(("layer_f1", layer) for layer in (1, 2, 3)),
    }
    assert {row["n"] for row in rows} == {SPLITS["test"]}
    (best,) = (row for row in rows if row["layer"] is None)
    assert best["variant"].startswith(f"best of {3 * HEADS}: layer ")
    listed = catalog.query(plan.home, "from study_items order by rank").to_pylist()
    assert len(listed) == 3 * HEADS
    assert listed[0]["item"] == "made heads"


@pytest.mark.parametrize(
    ("changes", "same"),
    [({"layers": [2]}, False), ({"max_tokens": 9}, False), ({"seed": 5}, True), ({"pooling": "mean"}, True)],
    ids=str,
)
def test_what_determines_them_changes_their_key_and_what_is_measured_of_them_does_not(published, changes, same):
    world, plan, pair = published
    other = planned(world, **changes)
    assert (other.data.pairs[0].studied["test"].key == pair.studied["test"].key) == same
    assert other.steps[1].key != plan.steps[1].key


def test_plans_count_them_and_the_embedding_has_none(published, tmp_path):
    world = World(tmp_path)
    compute(world.plan(), ("examples",))
    plan = planned(world)
    cost = estimate(plan.data, Calibration(world.home))
    assert (cost["prompts"], len(plan.data.missing()) > 0) == (84, True)
    columns = {step.spec.columns(32) for step in plan.data.pairs[0].studied.values()}
    assert columns == {3 * 32}
    with pytest.raises(CardError, match="layer 0 is the embedding, before any attention: leave it out of layers"):
        planned(world, layers=[0, 2])
