"""The anchors partition against the pseudo-inverse; the label space against its rows."""

import numpy as np
import pytest
import torch

from tasks.anchors import build_anchors
from tasks.models.label_space import label_space
from tests.tasks.worlds import LABELS, World, compute, model, snapshot
from tests.vocabsem.architectures import save
from vocabsem.models.language_model import load_model
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


@pytest.fixture(scope="module")
def head(done):
    return load_model(model(), done.home.cache, dtype="float32", device="cpu").head


def partition(plan):
    return plan.pairs[0].anchors.partition(Lake(plan.home))


def pseudo_inverse(head):
    """(tokens, d): the transposed SVD pseudo-inverse in float64, of the rows that tokens use."""
    return np.linalg.pinv(head.weight[: head.tokens].double().numpy()).T


def test_anchors_are_the_rows_of_the_pseudo_inverse(done, head):
    table = partition(done).table()
    expected = pseudo_inverse(head)
    assert len(table) == head.tokens < len(head.weight), "rows of padding are left out"
    # float32 keeps 24 bits of what was solved in float64
    np.testing.assert_allclose(matrix(table["anchor"]), expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())
    np.testing.assert_array_equal(matrix(table["head"]), head.weight[: head.tokens].numpy())
    np.testing.assert_allclose(table["norm"], np.linalg.norm(expected, axis=1), rtol=1e-9)
    np.testing.assert_allclose(
        table["head_norm"], np.linalg.norm(head.weight[: head.tokens].double(), axis=1), rtol=1e-12
    )
    assert table["token_id"].to_pylist() == list(range(head.tokens))


def test_leverage_is_the_diagonal_of_the_projection(done, head):
    weight = head.weight[: head.tokens].double().numpy()
    leverage = partition(done).table()["leverage"].to_numpy()
    np.testing.assert_allclose(leverage, np.einsum("vd,vd->v", weight, pseudo_inverse(head)), rtol=1e-9)
    assert leverage.sum() == pytest.approx(weight.shape[1]), "the trace of a projection is its rank"


def test_facts_and_checks_say_how_well_it_was_solved(done, head):
    manifest = partition(done).manifest()
    singular = np.linalg.svd(head.weight[: head.tokens].double().numpy(), compute_uv=False)
    assert manifest.facts["condition"] == pytest.approx(singular[0] / singular[-1], rel=1e-6)
    assert manifest.facts["rank"] == head.weight.shape[1]
    assert manifest.facts["padding_rows"] == len(head.weight) - head.tokens
    assert manifest.facts["tokens"] == head.tokens
    assert all(check["passed"] for check in manifest.checks)


def test_the_label_space_holds_the_rows_of_the_label_words(done, head):
    (pair,) = done.pairs
    space = label_space(done.home, pair.model, pair.dataset, pair.anchors.key)
    tokenizer = load_model(model(), done.home.cache, dtype="float32", device="cpu").tokenizer
    ids = [tokenizer.encode(f" {label['word']}", add_special_tokens=False)[0] for label in LABELS]
    expected = pseudo_inverse(head)[ids]
    np.testing.assert_allclose(space.anchors, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())
    np.testing.assert_array_equal(space.head, head.weight[ids].numpy())
    assert not space.bias.any()
    assert (space.softcap, space.scale) == (None, 1.0)


def test_a_word_of_several_tokens_is_the_mean_of_them(tmp_path, head):
    labels = [LABELS[0], LABELS[1], LABELS[2] | {"word": "sentimental"}]
    plan = World(tmp_path, dataset={"labels": labels, "word_tokens": "mean"}).plan()
    compute(plan, ("anchors",))
    (pair,) = plan.pairs
    space = label_space(plan.home, pair.model, pair.dataset, pair.anchors.key)
    tokenizer = load_model(model(), plan.home.cache, dtype="float32", device="cpu").tokenizer
    ids = tokenizer.encode(" sentimental", add_special_tokens=False)
    assert len(ids) > 1
    spoken = [token for token in ids if tokenizer.decode([token]).strip()]
    np.testing.assert_allclose(space.anchors[2], pseudo_inverse(head)[spoken].mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(space.head[2], head.weight[spoken].numpy().mean(axis=0), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("architecture", ["gptj", "gemma2", "cohere"])
def test_bias_cap_and_scale_of_the_head_reach_the_label_space(tmp_path, architecture):
    world = World(tmp_path)
    card = save(architecture, tmp_path / "other")
    (pair,) = world.plan().pairs
    step = _at(pair.anchors, card)
    build_anchors.fn(world.home, card, step, "cpu")
    space = label_space(world.home, card, pair.dataset, step.key)
    head = load_model(card, world.home.cache, dtype="float32", device="cpu").head
    network = load_model(card, world.home.cache, dtype="float32", device="cpu")
    ids = [network.tokenizer.encode(f" {label['word']}", add_special_tokens=False)[0] for label in LABELS]
    states = torch.randn(5, 32, generator=torch.manual_seed(0))
    expected = head.logits(states)[:, ids]
    scores = space.scale * (states.numpy() @ space.head.T + space.bias)
    if space.softcap:
        scores = space.softcap * np.tanh(scores / space.softcap)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    assert (head.bias is not None) == bool(space.bias.any())


def _at(step, card):
    return type(step)(step.spec.model_copy(update={"model": card.name}))


def test_solving_again_changes_no_file(done):
    before = snapshot(done.home.lake)
    compute(done, ("anchors",))
    assert snapshot(done.home.lake) == before
