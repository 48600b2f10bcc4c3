"""States of all tokens by shards: rows of the prompts' tokens, whole or not there, kept after a kill."""

import numpy as np
import pyarrow as pa
import pytest

from flows.planning.study import make_study_plan
from flows.planning.study_card import load_study
from tasks.publish_token_states import publish_token_states
from tasks.steps.shards import resumed_shards, shards
from tasks.steps.token_reads import read_token_states
from tasks.token_states import extract_token_shard
from tests.tasks.worlds import SPLITS, World, compute, extract
from warehouse.errors import CheckFailed
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

SIZE = 16  # rows of a shard
BFLOAT16 = 2.0**-8


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A world whose examples and states of last tokens are there, and the pair of a study of all tokens."""
    world = World(tmp_path_factory.mktemp("tokens"), experiment={"layers": [1, "last"]})
    plan = world.plan()
    compute(plan, ("examples",))
    extract(plan, plan.pairs[0], "test")
    card = load_study(world.write_study("dictionary", layers=[1, "last"]))
    (pair,) = make_study_plan(card, world.home).data.pairs
    return plan, pair


def compute_shards(home, pair, split, spans):
    for span in spans:
        extract_token_shard.fn(home, pair.model, pair.dataset, pair.studied[split], *span, "cpu")


@pytest.fixture(scope="module")
def published(begun):
    plan, pair = begun
    compute_shards(plan.home, pair, "test", shards(SPLITS["test"], SIZE))
    publish_token_states.fn(plan.home, pair.studied["test"], SPLITS["test"], SIZE)
    return plan, pair, pair.studied["test"].partition(Lake(plan.home))


def test_a_row_is_a_token_and_a_texts_last_one_is_its_stored_state(published):
    plan, pair, partition = published
    table = partition.table()
    lasts = pa.concat_tables(
        pa.parquet.read_table(path)
        for path in sorted(plan.pairs[0].states["test"].partition(Lake(plan.home)).path.glob("part-*.parquet"))
    )
    position, tokens = table["position"].to_numpy(), table["tokens"].to_numpy()
    last = position == tokens - 1
    assert table["id"].filter(pa.array(last)).to_pylist() == lasts["id"].to_pylist()
    assert np.array_equal(tokens[last], lasts["tokens"].to_numpy())
    assert np.array_equal(table["label"].to_numpy()[last], lasts["label"].to_numpy())
    assert len(table) == tokens[last].sum()
    for layer in ("layer_1", "layer_3"):
        expected = matrix(lasts[layer])
        np.testing.assert_allclose(matrix(table[layer])[last], expected, rtol=1.01 * BFLOAT16, atol=1e-5)
    template = pair.dataset.template
    assert template.startswith("review")
    assert len(set(table["token"].to_numpy()[position == 0])) == 1


def test_the_manifest_counts_texts_and_tokens_and_has_the_guard(published):
    _, _, partition = published
    manifest, table = partition.manifest(), partition.table(["tokens", "position", "layer_3"])
    assert manifest.rows == manifest.facts["tokens"] == len(table)
    assert manifest.facts["texts"] == SPLITS["test"]
    norms = np.linalg.norm(matrix(table["layer_3"]), axis=1)
    assert manifest.facts["norm"]["max"] == pytest.approx(norms.max())
    checks = {check["name"]: check["detail"] for check in manifest.checks}
    assert checks["all tokens of every example"] == "24 ids and 24 whole prompts of 24 examples"
    assert float(checks["head(state) equals the model's logits"].split()[2]) < 5e-4


def test_they_are_read_as_arrays_by_text(published):
    plan, pair, partition = published
    rows = read_token_states(plan.home, pair.model.name, "made", "test", pair.studied["test"].key, (3,))
    table = partition.table()
    assert rows.ids == list(dict.fromkeys(table["id"].to_pylist()))
    assert np.array_equal([rows.ids[text] for text in rows.text], table["id"].to_pylist())
    assert np.array_equal(rows.labels[rows.text], table["label"].to_numpy())
    assert np.array_equal(rows.states[3], matrix(table["layer_3"]))
    assert list(rows.states) == [3]


def test_shards_that_are_there_are_kept_and_the_rest_is_computed(begun):
    plan, pair = begun
    step, rows = pair.studied["train"], SPLITS["train"]
    compute_shards(plan.home, pair, "train", [(0, 16), (32, 48)])
    spans = resumed_shards(plan.home, step, rows, 100)
    assert [span for span, entry in spans.items() if entry is None] == [(16, 32), (48, 60)]
    compute_shards(plan.home, pair, "train", [(16, 32), (48, 60)])
    key = publish_token_states.fn(plan.home, step, rows, 100)
    read = read_token_states(plan.home, pair.model.name, "made", "train", key, (1, 3))
    assert len(read.ids) == rows
    assert np.array_equal(np.flatnonzero(read.position == 0), np.flatnonzero(np.diff(read.text, prepend=-1)))


def test_a_prompt_that_lacks_a_token_is_not_published(tmp_path):
    world = World(tmp_path)
    plan = world.plan()
    compute(plan, ("examples",))
    card = load_study(world.write_study("dictionary", layers=["last"]))
    (pair,) = make_study_plan(card, plan.home).data.pairs
    compute_shards(plan.home, pair, "test", [(0, 24)])
    partition = pair.studied["test"].partition(Lake(plan.home))
    (path,) = partition.path.glob("part-*.parquet")
    table = pa.parquet.read_table(path)
    partition.write_table(path.name, pa.concat_tables([table[:3], table[4:]]))
    with pytest.raises(CheckFailed, match="all tokens of every example"):
        publish_token_states.fn(plan.home, pair.studied["test"], 24, 24)
