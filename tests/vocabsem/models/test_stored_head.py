"""The head that is read from a checkpoint's files, against that of the loaded model: the same bytes."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.vocabsem import architectures, bidirectional
from vocabsem.errors import CardError
from vocabsem.models.language_model import load_model
from vocabsem.models.stored_head import stored_head

FEW = ("gptj", "gemma2", "opt")  # a bias; tied; a head narrower than the states
CAUSAL = [pytest.param(name, marks=() if name in FEW else pytest.mark.medium) for name in architectures.ARCHITECTURES]
OTHERS = [
    *((name, "masked") for name in bidirectional.ARCHITECTURES),
    *((name, "encoder_decoder") for name in bidirectional.ENCODER_DECODERS),
]


def rewrite(folder, change, **config):
    """Change the tensors of a checkpoint, and keys of its config.json."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({k: v for k, v in (known | config).items() if v is not ...}))


def assert_same(card, folder):
    """The head as it lies in the files is the one that the model has; returns it."""
    stored = stored_head(card, folder / "cache")
    whole = load_model(card, folder / "cache", dtype="checkpoint", device="cpu").head
    head, rows, _ = stored
    assert rows.shape == (whole.tokens, whole.weight.shape[1])
    assert torch.equal(rows[0 : whole.tokens], whole.weight[: whole.tokens])
    assert torch.equal(rows.between(30, 200).between(5, 50)[1:9], whole.weight[36:44])
    assert head.weight.shape == whole.weight.shape
    assert head.weight.is_meta
    assert (head.bias is None) == (whole.bias is None)
    assert head.bias is None or torch.equal(head.bias, whole.bias)
    assert replace(head, weight=None, bias=None) == replace(whole, weight=None, bias=None)
    return stored


@pytest.mark.parametrize("name", CAUSAL)
def test_equals_the_head_of_a_causal_model(tmp_path, name):
    assert_same(architectures.save(name, tmp_path / name), tmp_path)


@pytest.mark.medium
@pytest.mark.parametrize(("name", "family"), OTHERS)
def test_equals_the_head_of_a_model_with_an_encoder(tmp_path, name, family):
    assert_same(bidirectional.save(name, tmp_path / name, family=family), tmp_path)


def test_an_encoder_has_none(tmp_path):
    assert stored_head(bidirectional.save("bert", tmp_path / "bert", family="encoder"), tmp_path / "cache") is None


def test_a_checkpoint_in_shards(tmp_path):
    card = architectures.save("llama", tmp_path / "llama")
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "llama")
    (tmp_path / "llama" / "model.safetensors").unlink()
    network.save_pretrained(tmp_path / "llama", max_shard_size="60KB")
    assert len(list((tmp_path / "llama").glob("*.safetensors"))) > 2
    assert assert_same(card, tmp_path).rows.name == "lm_head.weight"


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [(torch.float32, "bfloat16"), (torch.float32, "float16"), (torch.bfloat16, "float32"), (torch.bfloat16, ...)],
)
def test_is_rounded_as_the_model_is(tmp_path, stored, dtype):
    """Files may hold another dtype than the one that config.json names, or it names none."""
    card = architectures.save("gptj", tmp_path / "gptj")
    rewrite(tmp_path / "gptj", lambda tensors: {name: each.to(stored) for name, each in tensors.items()}, dtype=dtype)
    assert_same(card, tmp_path)


@pytest.mark.parametrize("same", [True, False])
def test_a_tied_head_that_is_stored_as_well(tmp_path, same):
    """transformers does not tie what the files hold with other values."""
    card = architectures.save("qwen2", tmp_path / "qwen2")

    def add_head(tensors):
        embedding = tensors["model.embed_tokens.weight"]
        return tensors | {"lm_head.weight": embedding.clone() if same else embedding.flip(0).contiguous()}

    rewrite(tmp_path / "qwen2", add_head)
    assert_same(card, tmp_path)


def test_names_without_the_prefix_of_the_body(tmp_path):
    """As the first checkpoints of GPT-2 have them."""
    card = architectures.save("gpt2", tmp_path / "gpt2")
    rewrite(tmp_path / "gpt2", lambda t: {name.removeprefix("transformer."): each for name, each in t.items()})
    assert assert_same(card, tmp_path).rows.name == "wte.weight"


def test_a_head_under_another_name_is_none(tmp_path):
    """Then the model is loaded, which says what is missing."""
    card = architectures.save("llama", tmp_path / "llama")
    rewrite(tmp_path / "llama", lambda t: {name.replace("lm_head", "other"): each for name, each in t.items()})
    assert stored_head(card, tmp_path / "cache") is None


def test_sizes_of_the_card_are_compared(tmp_path):
    card = architectures.save("llama", tmp_path / "llama").model_copy(update={"vocabulary_size": 385})
    with pytest.raises(CardError, match="vocabulary_size: 385, the model has 384"):
        stored_head(card, tmp_path / "cache")
