"""The processor's ways against torch's own: the same numbers, and no setting left behind."""

import threading
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vocabsem.architectures import ARCHITECTURES, save
from vocabsem.language_model import load_model
from vocabsem.parallel import LONG, NAME, SHORT, attention, parallel_map, prefetch

CPU = torch.device("cpu")


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
    found, _ = attention(None, query, key, value, None, scaling=0.3)
    torch.testing.assert_close(found.double(), plain(query, key, value, 0.3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [LONG, LONG + 1])
def test_long_prompts_have_the_same_attention(length):
    query, key, value = torch.randn(1, 4, length, 8), torch.randn(1, 2, length, 8), torch.randn(1, 2, length, 8)
    found, _ = attention(None, query, key, value, None, scaling=0.3)
    torch.testing.assert_close(found.double(), plain(query, key, value, 0.3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [SHORT - 1, SHORT])
def test_attention_in_bfloat16_is_off_by_roundings_alone(length):
    query, key, value = (torch.randn(2, heads, length, 8).bfloat16() for heads in (4, 2, 2))
    found, _ = attention(None, query, key, value, None, scaling=0.3)
    expected = plain(query, key, value, 0.3)
    assert found.dtype == torch.bfloat16
    assert (found - expected).norm() < 2**-7 * expected.norm()  # scores, weights and products each rounded to 8 bits


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


def test_calls_run_side_by_side_and_come_in_order():
    together = threading.Barrier(2, timeout=30)

    def call(number):
        together.wait()  # nobody passes alone
        return number, torch.ones(4).sum().item()

    if torch.get_num_threads() < 2:
        pytest.skip("one core: calls follow each other")
    with parallel_map(CPU) as each:
        assert list(each(call, range(8))) == [(number, 4.0) for number in range(8)]


@pytest.mark.parametrize("items", [[], [0], [0, 1, 2, 3]])
def test_one_ahead_is_map_whose_next_call_comes_first(items):
    called = []
    seen = [(result, list(called)) for result in prefetch(lambda item: called.append(item) or -item, items)]
    assert [result for result, _ in seen] == [-item for item in items]
    assert [before for _, before in seen] == [items[: index + 2] for index in range(len(items))]


def test_torchs_threads_are_as_before():
    before = torch.get_num_threads()
    with parallel_map(CPU) as each:
        list(each(lambda number: torch.ones(1000, 1000).sum(), range(4)))
    assert torch.get_num_threads() == before
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert found == [before]


def test_an_error_ends_the_block_and_what_waits_is_not_begun():
    begun = []

    def call(number):
        begun.append(number)
        if number == 0:
            raise ValueError("first")
        time.sleep(0.02)

    with pytest.raises(ValueError, match="first"), parallel_map(CPU) as each:
        list(each(call, range(200)))
    assert len(begun) < 200
