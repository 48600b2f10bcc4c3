"""Outputs of attention heads of many architectures: their projection is the attention's, one prompt at a time."""

import numpy as np
import pytest
import torch

from tests.vocabsem.architectures import ARCHITECTURES, save
from vocabsem.errors import CardError, ComputationFailed, GuardFailed
from vocabsem.families.layer_inputs import gives_states
from vocabsem.models.language_model import load_model
from vocabsem.states import head_outputs
from vocabsem.states.head_outputs import check_heads, extract_head_outputs, head_count

RANDOM = np.random.default_rng(0)
PROMPTS = [RANDOM.integers(2, 350, size=n).tolist() for n in (3, 17, 1, 9, 30)]
ADDING = {"bloom"}  # the residual is added inside of the attention block
ATTENTION = {"gpt2": "attn", "gptj": "attn", "gpt_neox": "attention", "bloom": "self_attention"}


def loaded(name, folder):
    return load_model(save(name, folder), folder / "cache", dtype="float32")


@pytest.fixture(scope="module", params=[name for name in ARCHITECTURES if name not in ADDING])
def model(request, tmp_path_factory):
    return loaded(request.param, tmp_path_factory.mktemp(request.param))


def attention_of(model, layer):
    """The attention block by the name that each architecture gives it."""
    body = model.network.base_model
    layers = getattr(getattr(body, "decoder", body), "h" if hasattr(body, "h") else "layers")
    return getattr(layers[layer - 1], ATTENTION.get(model.network.config.model_type, "self_attn"))


def test_projected_outputs_are_what_attention_gives_to_each_prompt_alone(model):
    result = extract_head_outputs(model, PROMPTS, [1, 3], budget=40)
    assert list(result) == [1, 3]
    for layer, heads in result.items():
        alone = []
        hook = attention_of(model, layer).register_forward_hook(lambda *call, to=alone: to.append(call[2][0][0, -1]))
        with torch.inference_mode():
            for ids in PROMPTS:
                model.network(torch.tensor([ids]), use_cache=False)
        hook.remove()
        expected = torch.stack(alone).numpy()
        with torch.inference_mode():
            projected = head_outputs._attention(model, layer)[1](torch.tensor(heads)).numpy()
        # rounding of float32 through at most three layers
        np.testing.assert_allclose(projected, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        assert heads.dtype == np.float32
        assert heads.shape[1] % head_count(model) == 0


def test_the_guard_passes_in_every_layer(model):
    assert check_heads(model, PROMPTS, [1, 2, 3]) < 1e-6


def test_heads_do_not_depend_on_the_batch_and_no_hook_is_left(model):
    assert gives_states(model.network.base_model, model.layers), "whose own hooks stay"
    before = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.network.modules())
    alone, together = (extract_head_outputs(model, PROMPTS, [2], budget=budget)[2] for budget in (1, 10_000))
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4 * np.abs(alone).max())
    backwards = extract_head_outputs(model, PROMPTS[::-1], [2], budget=64)[2][::-1]
    np.testing.assert_allclose(backwards, alone, rtol=1e-4, atol=1e-4 * np.abs(alone).max())
    extract_head_outputs(model, PROMPTS, [1])
    assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.network.modules()) == before


def llama(tmp_path):
    return loaded("llama", tmp_path)


def test_a_single_token_attends_to_itself_alone(tmp_path):
    """Then every head's output is its value vector, of the group that it shares keys and values with."""
    model = llama(tmp_path)
    layer = model.network.base_model.layers[0]
    with torch.inference_mode():
        states = layer.input_layernorm(model.network.base_model.embed_tokens(torch.tensor([7])))
        values = layer.self_attn.v_proj(states).view(2, 8)  # two groups of size 8
    heads = extract_head_outputs(model, [[7], [7]], [1])[1].reshape(2, 4, 8)
    np.testing.assert_allclose(heads[0], values[[0, 0, 1, 1]].numpy(), rtol=1e-5, atol=1e-6)


def test_a_silenced_head_is_zero_and_others_are_as_before(tmp_path):
    model = llama(tmp_path)
    before = extract_head_outputs(model, PROMPTS, [1])[1].reshape(-1, 4, 8)
    with torch.no_grad():
        model.network.base_model.layers[0].self_attn.v_proj.weight[:8] = 0  # the group of heads 0 and 1
    after = extract_head_outputs(model, PROMPTS, [1])[1].reshape(-1, 4, 8)
    assert not after[:, :2].any()
    np.testing.assert_array_equal(after[:, 2:], before[:, 2:])


@pytest.mark.parametrize("name", sorted(ADDING))
def test_a_block_that_adds_to_its_projection_is_refused_by_the_guard(name, tmp_path):
    with pytest.raises(GuardFailed, match="this architecture adds to it inside of the block"):
        check_heads(loaded(name, tmp_path), PROMPTS, [2])


def test_attention_by_another_name_is_refused(tmp_path):
    model = llama(tmp_path)
    attention = model.network.base_model.layers[1].self_attn
    attention.out = attention.o_proj
    del attention.o_proj
    with pytest.raises(CardError, match="model 'tiny-llama': its attention has no output projection named o_proj"):
        extract_head_outputs(model, PROMPTS, [1, 2])


def test_an_output_that_is_not_finite_is_an_error(tmp_path):
    model = llama(tmp_path)
    with torch.no_grad():
        model.network.base_model.embed_tokens.weight[349] = float("inf")
    with pytest.raises(ComputationFailed, match=r"layer 2: a head's output of prompt 1 is not finite in float32"):
        extract_head_outputs(model, [[5, 6], [5, 349]], [2])


def test_progress_counts_every_prompt_and_token(tmp_path):
    seen = []
    extract_head_outputs(llama(tmp_path), PROMPTS, [1], budget=20, progress=lambda *counts: seen.append(counts))
    assert np.sum(seen, axis=0).tolist() == [len(PROMPTS), sum(map(len, PROMPTS))]
