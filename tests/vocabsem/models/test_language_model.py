"""Loading, head and guard on tiny models of many architectures."""

import pytest
import torch

from tests.vocabsem.architectures import ARCHITECTURES, VOCABULARY, save
from vocabsem.errors import CardError, GuardFailed, SourceError
from vocabsem.models.checkpoints import fetch_checkpoint, load_tokenizer, model_digest
from vocabsem.models.language_model import TOLERANCE, load_model
from vocabsem.states.extraction import check_head, extract

PROMPTS = [[5, 9, 40, 41, 300, 7], [8, 2], [33, 34, 35, 36], [12]]


@pytest.fixture(params=ARCHITECTURES)
def card(request, tmp_path):
    return save(request.param, tmp_path / request.param)


def test_head_of_state_equals_the_models_logits(card, tmp_path):
    model = load_model(card, tmp_path / "cache", dtype="float32")
    states = torch.from_numpy(extract(model, PROMPTS, [model.layers])[model.layers])
    own = torch.stack([model.network(torch.tensor([ids])).logits[0, -1] for ids in PROMPTS])
    # float32 rounding through three layers of width 32; logits are of order 1 to 10
    torch.testing.assert_close(model.head.logits(states), own, atol=2e-5, rtol=2e-4)
    assert check_head(model, PROMPTS) < TOLERANCE["float32"]


def test_bfloat16_is_within_its_rounding(card, tmp_path):
    model = load_model(card, tmp_path / "cache", dtype="bfloat16")
    assert model.dtype == "bfloat16"
    assert check_head(model, PROMPTS) < TOLERANCE["bfloat16"]


def test_the_guard_refuses_a_state_before_the_final_norm(card, tmp_path):
    model = load_model(card, tmp_path / "cache", dtype="float32")
    seen = []
    final = model.network.base_model
    modules = dict(final.named_modules())
    name = next(
        n for n in ("norm", "ln_f", "final_layernorm", "final_layer_norm", "decoder.final_layer_norm") if n in modules
    )
    hook = modules[name].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.network(torch.tensor([PROMPTS[0]]))
    hook.remove()
    before = seen[0][0, -1:]
    if before.shape[1] != model.head.weight.shape[1]:
        pytest.skip("this architecture projects after its final norm")
    with pytest.raises(GuardFailed, match="final norm"):
        model.guard(torch.tensor(PROMPTS[:1]), torch.tensor([len(PROMPTS[0])]), before)


def test_padding_rows_are_not_tokens(tmp_path):
    card = save("llama", tmp_path / "llama")
    head = load_model(card, tmp_path / "cache").head
    assert head.weight.shape[0] == VOCABULARY
    assert head.tokens == len(load_tokenizer(card, tmp_path / "cache")) < VOCABULARY


@pytest.mark.parametrize(("name", "attribute"), [("gptj", "bias"), ("phi", "bias"), ("gemma2", "softcap")])
def test_the_head_keeps_what_its_architecture_adds(name, attribute, tmp_path):
    head = load_model(save(name, tmp_path / name), tmp_path / "cache").head
    assert getattr(head, attribute) is not None


@pytest.mark.parametrize(("name", "scale"), [("cohere", 0.25), ("granite", 0.25), ("llama", 1.0)])
def test_logit_scale(name, scale, tmp_path):
    assert load_model(save(name, tmp_path / name), tmp_path / "cache").head.scale == scale


def test_a_card_that_is_wrong_about_its_model_is_refused(tmp_path):
    card = save("llama", tmp_path / "llama").model_copy(update={"layers": 7})
    with pytest.raises(CardError, match="has layers: 7, the model has 3"):
        load_model(card, tmp_path / "cache")


def test_a_folder_without_a_model_is_a_clear_failure(tmp_path):
    card = save("llama", tmp_path / "llama")
    (tmp_path / "llama" / "model.safetensors").write_bytes(b"not a model")
    with pytest.raises(SourceError, match="transformers cannot read the model"):
        load_model(card, tmp_path / "cache")
    with pytest.raises(SourceError, match="nowhere"):
        fetch_checkpoint(card.model_copy(update={"source": "file:nowhere"}), tmp_path / "cache")


def test_the_digest_follows_the_bytes(tmp_path):
    card = save("llama", tmp_path / "llama")
    _, digest = fetch_checkpoint(card, tmp_path / "cache")
    assert model_digest(card, tmp_path / "cache") == digest
    weights = tmp_path / "llama" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert fetch_checkpoint(card, tmp_path / "cache")[1] != digest
