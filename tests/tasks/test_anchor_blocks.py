"""Anchors solved by blocks of rows that are read from the checkpoint's files, against those of the whole head."""

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.anchor_block import solve_anchor_block
from tasks.anchors import build_anchors
from tasks.head_inverse import invert_head
from tasks.head_size import count_head_rows
from tasks.head_sums import sum_head_rows
from tasks.publish_anchors import publish_anchor_blocks
from tasks.steps.shards import shards
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from tests.vocabsem import architectures, bidirectional
from vocabsem.errors import DataError
from vocabsem.vocabulary.gram import RankDeficientHead
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

SUMMED, SOLVED = 100, 70  # rows of a block: neither divides the other, nor the head's
EXACT = ("token_id", "token", "head_norm", "bias", "head")


def step_of(card, gauge="raw"):
    return Step(AnchorsSpec(model=card.name, digest="0" * 64, gauge=gauge))


def solve(home, card, step):
    """Every task in its turn, without Prefect; returns how many passes the rows took."""
    of, spans = (home, card, step), shards(count_head_rows.fn(home, card), SUMMED)
    passes = ["total", "gram"] if step.spec.gauge == "centered" else ["gram"]
    for what in passes:
        for span in reversed(spans):  # the order in which they are done does not matter
            sum_head_rows.fn(*of, what, span, spans, "cpu")
    if not invert_head.fn(*of, spans, "cpu", False):
        passes.append("whitened")
        for span in spans:
            sum_head_rows.fn(*of, "whitened", span, spans, "cpu")
        assert invert_head.fn(*of, spans, "cpu", True)
    for span in shards(spans[-1][1], SOLVED):
        solve_anchor_block.fn(*of, *span, spans, "cpu")
    assert publish_anchor_blocks.fn(*of, SOLVED, spans) == step.key
    return passes


def published(home, step):
    partition = step.partition(Lake(home))
    return partition.table(), partition.manifest()


def assert_same(folder, card, step):
    """The published rows and facts are those of the whole head; returns the passes."""
    blocks, whole = Home(folder / "blocks"), Home(folder / "whole")
    passes = solve(blocks, card, step)
    build_anchors.fn(whole, card, step, "cpu")
    (table, manifest), (expected, reference) = published(blocks, step), published(whole, step)
    assert table.schema.equals(expected.schema)
    assert all(table[name].equals(expected[name]) for name in EXACT)
    for name in ("leverage", "norm"):  # float64: only the order of the sums differs
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-10)
    anchors = matrix(expected["anchor"])  # float32
    np.testing.assert_allclose(matrix(table["anchor"]), anchors, rtol=0, atol=1e-7 * np.abs(anchors).max())
    rounded = ("condition", "residual")
    assert {k: v for k, v in manifest.facts.items() if k not in rounded} == {
        k: v for k, v in reference.facts.items() if k not in rounded
    }
    assert manifest.facts["condition"] == pytest.approx(reference.facts["condition"], rel=1e-9)
    assert manifest.facts["residual"] < 1e-9
    assert [check["name"] for check in manifest.checks] == [check["name"] for check in reference.checks]
    return passes


@pytest.mark.parametrize("gauge", ["raw", "centered"])
@pytest.mark.parametrize("name", ["llama", "gptj"])  # gptj: a bias
def test_equal_those_of_the_whole_head(tmp_path, name, gauge):
    card = architectures.save(name, tmp_path / name)
    assert "whitened" not in assert_same(tmp_path, card, step_of(card, gauge))


def rewrite(folder, change, name="lm_head.weight"):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file(tensors | {name: change(tensors[name])}, file, {"format": "pt"})


@pytest.mark.parametrize("gauge", ["raw", "centered"])
def test_a_head_of_large_condition_is_read_once_more(tmp_path, gauge):
    card = architectures.save("gptj", tmp_path / "gptj")
    rewrite(tmp_path / "gptj", lambda weight: weight * torch.logspace(0, -4, 32))
    assert assert_same(tmp_path, card, step_of(card, gauge))[-1] == "whitened"


def test_a_head_of_lower_rank(tmp_path):
    card = architectures.save("llama", tmp_path / "llama")
    rewrite(tmp_path / "llama", lambda weight: torch.cat([weight[:, :31], weight[:, :1]], dim=1))
    with pytest.warns(RankDeficientHead, match="span 31 of 32"):
        assert_same(tmp_path, card, step_of(card))


@pytest.mark.medium
@pytest.mark.parametrize("gauge", ["raw", "centered"])
@pytest.mark.parametrize(
    ("name", "family"), [("bert", "masked"), ("bart", "encoder_decoder"), ("t5", "encoder_decoder")]
)
def test_heads_of_other_families(tmp_path, name, family, gauge):
    card = bidirectional.save(name, tmp_path / name, family=family)
    assert_same(tmp_path, card, step_of(card, gauge))


def test_numbers_that_are_none_are_refused(tmp_path):
    card = architectures.save("llama", tmp_path / "llama")
    rewrite(tmp_path / "llama", lambda weight: weight.index_fill(0, torch.tensor(7), float("nan")))
    with pytest.raises(DataError, match="NaN or infinite values"):
        solve(Home(tmp_path / "home"), card, step_of(card))


def test_nothing_but_the_parts_is_left(tmp_path):
    card = architectures.save("gptj", tmp_path / "gptj")
    home, step = Home(tmp_path / "home"), step_of(card, "centered")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve(home, card, step)
    there = {path.name for path in step.partition(Lake(home)).path.iterdir()}
    rows = step.partition(Lake(home)).manifest().facts["tokens"]
    assert there == {"manifest.json"} | {f"part-{a:08d}-{b:08d}.parquet" for a, b in shards(rows, SOLVED)}
    step.partition(Lake(home)).verify()


def test_sums_are_the_same_bytes_whoever_computes_them(tmp_path):
    """On one core or two, and in any order."""
    card, files = architectures.save("gptj", tmp_path / "gptj"), []
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            solve(home := Home(tmp_path / str(threads)), card, step := step_of(card, "centered"))
        finally:
            torch.set_num_threads(before)
        files.append([(each.name, each.sha256) for each in step.partition(Lake(home)).manifest().files])
    assert files[0] == files[1]
