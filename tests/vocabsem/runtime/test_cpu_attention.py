"""CPU attention against a float64 transcription and against the models' own attention."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vocabsem.architectures import ARCHITECTURES, save
from vocabsem.models.language_model import load_model
from vocabsem.runtime.cpu_attention import MAX_DENSE_TOKENS, NAME, SHORT_KEYS, causal_attention


def plain(query, key, value, scaling):
    """Causal attention of the last T of S tokens, written out in float64."""
    heads, length, total = query.shape[1], query.shape[2], key.shape[2]
    key, value = (x.double().repeat_interleave(heads // x.shape[1], dim=1) for x in (key, value))
    scores = scaling * query.double() @ key.mT
    later = torch.arange(total) > torch.arange(total - length, total)[:, None]
    return (scores.masked_fill(later, float("-inf")).softmax(-1) @ value).transpose(1, 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 9), st.integers(0, 7))
def test_attention_is_softmax_of_scaled_products_over_what_came_before(rows, groups, per_group, length, before):
    torch.manual_seed(rows * 1000 + length * 10 + before)
    query = torch.randn(rows, groups * per_group, length, 8)
    key, value = (torch.randn(rows, groups, before + length, 8) for _ in range(2))
    output, _ = causal_attention(None, query, key, value, None, scaling=0.3)
    torch.testing.assert_close(output.double(), plain(query, key, value, 0.3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [MAX_DENSE_TOKENS, MAX_DENSE_TOKENS + 1])
def test_long_prompts_have_the_same_attention(length):
    query, key, value = torch.randn(1, 4, length, 8), torch.randn(1, 2, length, 8), torch.randn(1, 2, length, 8)
    output, _ = causal_attention(None, query, key, value, None, scaling=0.3)
    torch.testing.assert_close(output.double(), plain(query, key, value, 0.3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [SHORT_KEYS - 1, SHORT_KEYS])
def test_attention_in_bfloat16_is_off_by_roundings_alone(length):
    query, key, value = (torch.randn(2, heads, length, 8).bfloat16() for heads in (4, 2, 2))
    output, _ = causal_attention(None, query, key, value, None, scaling=0.3)
    expected = plain(query, key, value, 0.3)
    assert output.dtype == torch.bfloat16
    assert (output - expected).norm() < 2**-7 * expected.norm()  # scores, weights and products each rounded to 8 bits


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_states_are_those_of_the_models_own_attention(name, tmp_path):
    model = load_model(save(name, tmp_path), tmp_path / "cache", dtype="float32")
    ids = torch.randint(2, 350, (3, 11), generator=torch.Generator().manual_seed(0))
    quick = model.network.base_model(ids).last_hidden_state
    if model.network.config._attn_implementation == NAME:
        model.network.set_attn_implementation("eager")
    own = model.network.base_model(ids).last_hidden_state
    torch.testing.assert_close(quick, own, rtol=1e-4, atol=1e-4 * float(own.abs().max()))


def test_plain_causal_attention_is_replaced_and_no_other(tmp_path):
    used = {}
    for name in ("llama", "qwen2", "gemma2", "gpt2"):
        folder = tmp_path / name
        folder.mkdir()
        model = load_model(save(name, folder), folder / "cache", dtype="float32")
        used[name] = model.network.config._attn_implementation
    assert used["llama"] == used["qwen2"] == NAME
    assert NAME not in (used["gemma2"], used["gpt2"]), "a soft-cap and windows are not plain"
