"""States by shards: equal to a direct extraction, kept after a kill, whole or not there."""

from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from tasks.models.loaded import loaded
from tasks.publish_states import publish_states
from tasks.states import extract_shard
from tasks.steps.lake_reads import read_states
from tasks.steps.progress import ProgressFile
from tasks.steps.shards import resumed_shards, shard_name, shards
from tests.tasks.worlds import SPLITS, World, compute, extract, half_written, snapshot
from tests.warehouse.disks import largest_file
from vocabsem.prompts.chunking import encode_chunks
from vocabsem.prompts.prompting import encode_prompts
from vocabsem.states.extraction import extract as extract_directly
from warehouse.errors import NoSpace
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

ROUNDING = {"rtol": 1e-4, "atol": 1e-5}  # float32 sums in another order, over three layers


@pytest.fixture
def begun(world):
    """A plan whose examples are published, and its only pair."""
    plan = world.plan()
    compute(plan, ("examples",))
    return plan, plan.pairs[0]


def directly(plan, pair, split, layers=(3,), pooling="last", max_tokens=64):
    """The prompts and states of a split, in one go."""
    network = loaded(pair.model, plan.home, "float32", "cpu")
    rows = pair.examples.partition(Lake(plan.home)).table().to_pylist()
    fields = [{"text": row["text"]} for row in rows if row["split"] == split]
    prompts = encode_prompts(network.tokenizer, pair.dataset.template, fields, max_tokens=max_tokens, prepend_bos=False)
    return prompts, extract_directly(network, prompts.token_ids, layers, pooling=pooling, budget=64)


def table_of(plan, pair, split):
    return pair.states[split].partition(Lake(plan.home)).table()


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 60])
def test_shards_cover_every_row_once(rows):
    spans = shards(rows, 16)
    assert [row for start, stop in spans for row in range(start, stop)] == list(range(rows))
    assert len({shard_name(*span) for span in spans}) == len(spans)


@pytest.mark.parametrize("split", SPLITS)
def test_states_equal_a_direct_extraction_in_the_examples_order(done, split):
    (pair,) = done.pairs
    table = table_of(done, pair, split)
    prompts, states = directly(done, pair, split)
    np.testing.assert_allclose(matrix(table["layer_3"]), states[3], **ROUNDING)
    assert table["tokens"].to_pylist() == [len(ids) for ids in prompts.token_ids]
    assert not any(table["truncated"].to_pylist())
    assert len(table) == SPLITS[split]


def test_a_layer_may_have_a_pooling_of_its_own(tmp_path):
    plan = World(tmp_path, experiment={"layers": ["last", "0.3:mean"]}).plan()
    compute(plan, ("examples", "states"))
    (pair,) = plan.pairs
    table = table_of(plan, pair, "test")
    (_, means), (_, lasts) = directly(plan, pair, "test", (1,), "mean"), directly(plan, pair, "test", (3,))
    np.testing.assert_allclose(matrix(table["layer_1_mean"]), means[1], **ROUNDING)
    np.testing.assert_allclose(matrix(table["layer_3"]), lasts[3], **ROUNDING)
    states = read_states(plan.home, pair.model.name, pair.dataset.name, "test", pair.states["test"].key)[2]
    assert np.array_equal(states, np.hstack([matrix(table["layer_1_mean"]), matrix(table["layer_3"])]))


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_layers_pooling_and_truncated_prompts_are_as_requested(tmp_path, pooling):
    plan = World(tmp_path, experiment={"layers": [0, 2, "last"], "pooling": pooling, "max_tokens": 16}).plan()
    compute(plan, ("examples", "states"))
    (pair,) = plan.pairs
    table = table_of(plan, pair, "test")
    prompts, states = directly(plan, pair, "test", (0, 2, 3), pooling, max_tokens=16)
    for layer, expected in states.items():
        np.testing.assert_allclose(matrix(table[f"layer_{layer}"]), expected, **ROUNDING)
    assert table["truncated"].to_pylist() == prompts.truncated.tolist()
    facts = pair.states["test"].partition(Lake(plan.home)).manifest().facts
    assert facts["truncated"] == prompts.truncated.sum() > 0
    assert max(table["tokens"].to_pylist()) == 16


def test_long_texts_are_means_over_their_prompts(tmp_path):
    plan = World(tmp_path, experiment={"layers": ["1:mean", "last"], "max_tokens": 16, "max_chunks": 3}).plan()
    compute(plan, ("examples", "states"))
    (pair,) = plan.pairs
    table = table_of(plan, pair, "test")
    network = loaded(pair.model, plan.home, "float32", "cpu")
    rows = [row for row in pair.examples.partition(Lake(plan.home)).table().to_pylist() if row["split"] == "test"]
    encode = partial(encode_chunks, network.tokenizer, pair.dataset.template, max_tokens=16, prepend_bos=False)
    for row, stored, tokens in zip(rows, matrix(table["layer_3"]), table["tokens"].to_pylist(), strict=True):
        chunks = encode([{"text": row["text"]}], max_chunks=3).prompts.token_ids
        alone = extract_directly(network, chunks, [3])[3]
        np.testing.assert_allclose(stored, alone.mean(axis=0), **ROUNDING)
        assert tokens == sum(map(len, chunks))
    assert not any(table["truncated"].to_pylist())
    assert max(table["tokens"].to_pylist()) > 16


def test_facts_are_those_of_the_rows(done):
    (pair,) = done.pairs
    manifest = pair.states["train"].partition(Lake(done.home)).manifest()
    table = table_of(done, pair, "train")
    norms = np.linalg.norm(matrix(table["layer_3"]), axis=1)
    assert manifest.facts["tokens"] == sum(table["tokens"].to_pylist())
    result = [manifest.facts["norm"][name] for name in ("min", "mean", "max")]
    np.testing.assert_allclose(result, [norms.min(), norms.mean(), norms.max()], rtol=1e-6)
    assert manifest.rows == SPLITS["train"]
    checks = {check["name"]: check for check in manifest.checks}
    assert len(checks) == 5
    assert all(check["passed"] for check in checks.values())
    assert checks["a row for every example"]["detail"] == "60 rows of 60 examples"
    guard = checks["head(state) equals the model's logits"]["detail"]
    assert float(guard.split()[2]) < 5e-4, "the guard's largest difference is told"


def test_progress_is_reported_of_every_prompt_and_token(begun):
    plan, pair = begun
    step, progress = pair.states["test"], ProgressFile(plan.home.root / "progress")
    progress.path.touch()
    extract_shard.fn(plan.home, pair.model, pair.dataset, step, 0, 24, "cpu", progress)
    prompts, _ = directly(plan, pair, "test")
    assert progress.totals() == (24, sum(map(len, prompts.token_ids)))


def test_extraction_ends_with_its_batch_once_the_run_was_stopped(begun):
    plan, pair = begun
    gone = ProgressFile(plan.home.root / "gone")
    with pytest.raises(CancelledError):
        extract_shard.fn(plan.home, pair.model, pair.dataset, pair.states["test"], 0, 24, "cpu", gone)
    assert resumed_shards(plan.home, pair.states["test"], 24, 24) == {(0, 24): None}


def test_finished_shards_survive_a_kill_and_the_manifest_lists_all(begun):
    plan, pair = begun
    step = pair.states["train"]
    extract(plan, pair, "train", [(0, 16), (32, 48)])
    folder = step.partition(Lake(plan.home)).path
    before = {path: at for path, at in snapshot(folder).items() if path.suffix == ".parquet"}
    todo = [span for span, entry in resumed_shards(plan.home, step, 60, 16).items() if entry is None]
    assert todo == [(16, 32), (48, 60)]
    assert not step.partition(Lake(plan.home)).published

    extract(plan, pair, "train", todo)
    publish_states.fn(plan.home, step, 60, 16)
    assert before.items() <= snapshot(folder).items(), "what was finished was not written again"
    files = [entry.name for entry in step.partition(Lake(plan.home)).manifest().files]
    assert files == [shard_name(*span) for span in shards(60, 16)]
    detail = step.partition(Lake(plan.home)).manifest().checks[-1]["detail"]
    assert float(detail.split()[2]) < 5e-4, "the guard of the kept first shard is still known"
    np.testing.assert_allclose(
        matrix(table_of(plan, pair, "train")["layer_3"]), directly(plan, pair, "train")[1][3], **ROUNDING
    )


def test_another_size_of_shards_after_a_kill_keeps_those_that_are_finished_and_gives_the_same_states(world, begun):
    plan, pair = begun
    step = pair.states["train"]
    extract(plan, pair, "train", [(0, 16), (16, 32), (40, 48)])
    before = snapshot(step.partition(Lake(plan.home)).path)
    assert world.plan(shard_rows=7).pairs[0].states["train"].key == step.key
    spans = resumed_shards(plan.home, step, 60, 7)
    todo = [span for span, entry in spans.items() if entry is None]
    assert todo == [(32, 39), (39, 40), (48, 55), (55, 60)]
    extract(plan, pair, "train", todo)
    assert before.items() <= snapshot(step.partition(Lake(plan.home)).path).items(), "nothing is written again"
    publish_states.fn(plan.home, step, 60, 25)
    files = [entry.name for entry in step.partition(Lake(plan.home)).manifest().files]
    assert files == [shard_name(*span) for span in spans]
    table = table_of(plan, pair, "train")
    rows = pair.examples.partition(Lake(plan.home)).table().to_pylist()
    assert table["id"].to_pylist() == [row["id"] for row in rows if row["split"] == "train"]
    np.testing.assert_allclose(matrix(table["layer_3"]), directly(plan, pair, "train")[1][3], **ROUNDING)


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_a_damaged_shard_is_not_finished_and_nothing_is_published_without_it(begun, damage):
    plan, pair = begun
    step = pair.states["test"]
    extract(plan, pair, "test")
    path = step.partition(Lake(plan.home)).path / shard_name(16, 24)
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        path.unlink()
    assert resumed_shards(plan.home, step, 24, 16)[16, 24] is None
    with pytest.raises(RuntimeError, match=r"part-00000016-00000024\.parquet .* vanished .* run it again"):
        publish_states.fn(plan.home, step, 24, 16)
    assert not step.partition(Lake(plan.home)).published
    extract(plan, pair, "test", [(16, 24)])
    publish_states.fn(plan.home, step, 24, 16)
    assert len(table_of(plan, pair, "test")) == 24


def test_shards_computed_at_once_in_threads_are_the_same(begun, done):
    plan, pair = begun
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda span: extract(plan, pair, "train", [span]), shards(60, 16)))
    publish_states.fn(plan.home, pair.states["train"], 60, 16)
    once, again = (table_of(p, p.pairs[0], "train") for p in (done, plan))
    assert once["id"] == again["id"]
    np.testing.assert_array_equal(matrix(once["layer_3"]), matrix(again["layer_3"]))


def test_a_full_disk_leaves_no_half_of_a_shard_and_the_next_run_goes_on(begun):
    plan, pair = begun
    step = pair.states["test"]
    extract(plan, pair, "test", [(0, 16)])
    before = snapshot(plan.home.lake)
    with (
        largest_file(1000),
        pytest.raises(NoSpace, match=r"part-00000016-00000024\.parquet .* free some space"),
    ):
        extract(plan, pair, "test", [(16, 24)])
    assert snapshot(plan.home.lake) == before
    assert not half_written(plan.home)
    extract(plan, pair, "test", [(16, 24)])
    publish_states.fn(plan.home, step, 24, 16)
    assert len(table_of(plan, pair, "test")) == 24


def test_publishing_again_changes_no_file(done):
    before = snapshot(done.home.lake)
    compute(done, ("states",))
    assert snapshot(done.home.lake) == before
