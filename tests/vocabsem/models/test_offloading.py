"""Models whose weights lie on the disk give the states of those in memory, whatever their family and layers."""

import gc

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.vocabsem import architectures, bidirectional
from vocabsem.cards.loader import load_card
from vocabsem.errors import BadInput, DataError
from vocabsem.families.head import BLOCK, Head
from vocabsem.methods.adapters import LoRA
from vocabsem.models.language_model import TOLERANCE, load_model
from vocabsem.models.offloading import FOLDER, offloaded
from vocabsem.runtime.devices import available_memory, offload_limit, resolve_device
from vocabsem.states.extraction import check_head, extract
from vocabsem.states.word_scores import score_words
from vocabsem.text_models.fine_tuning import tune

PROMPTS = [[5, 9, 40, 41, 300, 7], [5, 9, 40, 2], [5, 9, 34, 35, 36], [5, 9, 12]]  # which share their first tokens
ALL, SOME = "offload:0MB", "offload:0.11MB"
CAUSAL = [("llama", ALL), ("qwen2", SOME), ("gpt2", ALL), ("phi", SOME)]  # heads of their own, embeddings, a bias
OTHERS = [("masked", "bert", SOME), ("encoder", "bert", ALL), ("encoder_decoder", "bart", SOME)]


def pair(card, folder, device, dtype="float32"):
    return [load_model(card, folder / "cache", dtype=dtype, device=each) for each in ("cpu", device)]


def same(one, other):
    """States within the rounding of float32: the same products, of other copies of the weights."""
    assert list(one) == list(other)
    for layer, states in one.items():
        np.testing.assert_allclose(other[layer], states, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "device"), CAUSAL)
def test_states_are_those_of_the_model_in_memory(name, device, tmp_path):
    whole, parted = pair(architectures.save(name, tmp_path / name), tmp_path, device)
    assert parted.offloaded
    assert not whole.offloaded
    assert parted.device == torch.device("cpu")
    same(extract(whole, PROMPTS, [0, 1, "2:mean", "last"]), extract(parted, PROMPTS, [0, 1, "2:mean", "last"]))
    assert check_head(parted, PROMPTS) < TOLERANCE["float32"]
    torch.testing.assert_close(parted.head.weight, whole.head.weight, rtol=0, atol=0)


def test_runs_that_end_at_an_inner_layer_leave_nothing_in_memory(tmp_path):
    whole, parted = pair(architectures.save("llama", tmp_path / "llama"), tmp_path, SOME)
    before = [each.device.type for each in parted.network.parameters()]
    for layers in ([1], ["2:mean"], [0]):
        same(extract(whole, PROMPTS, layers), extract(parted, PROMPTS, layers))
    assert [each.device.type for each in parted.network.parameters()] == before
    same(extract(whole, PROMPTS, ["last"]), extract(parted, PROMPTS, ["last"]))


def test_batches_run_one_after_the_other(tmp_path):
    whole, parted = pair(architectures.save("llama", tmp_path / "llama"), tmp_path, ALL)
    assert parted.max_workers == 1 < whole.max_workers
    prompts = [[5 + row % 300, *range(40, 45 + row % 7)] for row in range(60)]
    same(extract(whole, prompts, ["last"], budget=32), extract(parted, prompts, ["last"], budget=32))


def test_words_of_several_tokens_are_scored(tmp_path):
    whole, parted = pair(architectures.save("llama", tmp_path / "llama"), tmp_path, ALL)
    words = [[7], [8, 9, 10], [11, 12]]
    np.testing.assert_allclose(
        score_words(parted, PROMPTS, words), score_words(whole, PROMPTS, words), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("family", "name", "device"), OTHERS)
def test_other_families(family, name, device, tmp_path):
    card = bidirectional.save(name, tmp_path / "model", family=family)
    whole, parted = pair(card, tmp_path, device)
    assert parted.offloaded
    prompts = [[0, *ids, whole.tokenizer.mask_token_id, 2] for ids in PROMPTS]
    same(extract(whole, prompts, [0, "1:mean", "last"]), extract(parted, prompts, [0, "1:mean", "last"]))
    check_head(parted, prompts)


def test_where_all_fits_nothing_is_offloaded(tmp_path):
    whole, fits = pair(architectures.save("llama", tmp_path / "llama"), tmp_path, "offload")
    assert not fits.offloaded
    assert fits.max_workers == whole.max_workers
    same(extract(whole, PROMPTS, ["last"]), extract(fits, PROMPTS, ["last"]))


def test_what_a_model_reads_from_is_removed_with_it(tmp_path):
    card = architectures.save("llama", tmp_path / "llama")
    model = load_model(card, tmp_path / "cache", dtype="float32", device=ALL)
    folder = tmp_path / "cache" / FOLDER
    assert len(list(folder.iterdir())) == 1
    extract(model, PROMPTS, ["last"])
    del model
    gc.collect()
    assert not list(folder.iterdir())


def test_a_head_that_is_the_embedding_is_held_once(tmp_path):
    model = load_model(architectures.save("qwen2", tmp_path / "qwen2"), tmp_path / "cache", dtype="float32")
    embedding = model.network.get_input_embeddings().weight
    assert model.head.weight.data_ptr() == embedding.data_ptr()


def test_a_head_that_is_its_own_is_held_once(tmp_path):
    model = load_model(architectures.save("llama", tmp_path / "llama"), tmp_path / "cache", dtype="float32")
    assert model.head.weight.data_ptr() == model.network.get_output_embeddings().weight.data_ptr()


class Largest(TorchDispatchMode):
    """The most numbers of a tensor of float32 that was made."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.dtype == torch.float32:
            self.numbers = max(self.numbers, made.numel())
        return made


@pytest.mark.parametrize("biased", [False, True])
def test_a_head_in_bfloat16_is_converted_a_block_at_a_time(biased):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3 * BLOCK + 5, 16, generator=generator).bfloat16()
    bias = torch.randn(len(weight), generator=generator) if biased else None
    states = torch.randn(2, 16, generator=generator)
    with Largest() as largest:
        logits = Head(weight, bias, softcap=None, scale=0.5, tokens=len(weight)).logits(states)
    expected = 0.5 * (states.double() @ weight.double().T + (0 if bias is None else bias.double()))
    torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-5)
    assert largest.numbers <= BLOCK * 16 < weight.numel()


def test_the_guard_makes_no_second_head(tmp_path):
    model = load_model(architectures.save("llama", tmp_path / "llama"), tmp_path / "cache", dtype="bfloat16")
    head = model.head
    with torch.no_grad():
        rows = head.weight.repeat(60, 1)
        model.network.lm_head.weight = torch.nn.Parameter(rows.bfloat16(), requires_grad=False)
    with Largest() as largest:
        assert check_head(model, PROMPTS) < TOLERANCE["bfloat16"]
    assert largest.numbers < rows.numel()


@pytest.mark.parametrize(
    ("device", "limit"), [("offload:8GB", 8 * 10**9), ("offload:1.5MB", 1_500_000), ("cpu", None), ("auto", None)]
)
def test_memory_that_is_given(device, limit):
    assert offload_limit(device) == limit


def test_memory_that_is_not_given_is_half_of_what_there_is():
    assert offload_limit("offload") == pytest.approx(available_memory() / 2, rel=0.2)  # others use it too


@pytest.mark.parametrize(
    "device", ["offload:", "offload:8", "offload:GB", "offload:-1GB", "offload:8 GB", "offload:8T"]
)
def test_an_amount_that_is_none_is_one_error(device, tmp_path):
    with pytest.raises(BadInput, match=r"offload:8GB"):
        offload_limit(device)
    with pytest.raises(BadInput, match=r"offload:8GB"), offloaded(device, tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_it_computes_where_auto_does():
    assert resolve_device("offload:1GB") == resolve_device("auto")


def test_adapters_are_refused(tmp_path):
    model = load_model(architectures.save("llama", tmp_path / "llama"), tmp_path / "cache", device=ALL)
    with pytest.raises(DataError, match="is offloaded: use another device"):
        tune(model, PROMPTS, [0, 1, 0, 1], [[4], [5]], [], training=LoRA(steps=1))


@pytest.mark.medium
def test_a_real_model_on_the_disk(cache):
    card = load_card("models", "smollm2-135m-instruct")
    prompts = [[*range(5, 30), 200 + row] for row in range(6)]
    whole = load_model(card, cache, dtype="bfloat16", device="cpu")
    expected, head = extract(whole, prompts, [24, "20:mean", "last"]), whole.head.weight
    del whole
    parted = load_model(card, cache, dtype="bfloat16", device="offload:80MB")
    assert set(parted.network.hf_device_map.values()) == {"cpu", "disk"}
    assert check_head(parted, prompts) < TOLERANCE["bfloat16"]
    for layer, states in extract(parted, prompts, [24, "20:mean", "last"]).items():
        cosine = (states * expected[layer]).sum(1) / np.linalg.norm(states, axis=1)
        # other sizes of batches are other orders of sums in bfloat16
        assert (cosine / np.linalg.norm(expected[layer], axis=1) > 0.999).all()
    torch.testing.assert_close(parted.head.weight, head, rtol=0, atol=0)
