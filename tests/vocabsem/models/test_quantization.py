"""Models with quantized weights: against weights that are rounded by hand, and what is refused before they are read."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.vocabsem import architectures
from vocabsem.cards.loader import load_card
from vocabsem.cards.model_card import ModelCard
from vocabsem.errors import BadInput
from vocabsem.models.checkpoints import fetch_checkpoint, model_digest
from vocabsem.models.language_model import TOLERANCE, load_model
from vocabsem.models.quantization import loading_settings, quantized_digest, require_quantization
from vocabsem.states.extraction import check_head, extract

PROMPTS = [[5, 9, 40, 41, 300, 7], [5, 9, 40, 2], [5, 9, 34, 35, 36], [5, 9, 12]]
needs_torchao = pytest.mark.skipif(not find_spec("torchao"), reason="pip install 'vocabsem[torchao]'")
without_torchao = pytest.mark.skipif(bool(find_spec("torchao")), reason="torchao is installed")
without_bitsandbytes = pytest.mark.skipif(bool(find_spec("bitsandbytes")), reason="bitsandbytes is installed")


def quantized(card, kind="torchao-int8"):
    return card.model_copy(update={"quantization": kind})


@pytest.fixture
def card(tmp_path):
    return architectures.save("llama", tmp_path / "llama")


def linear_layers(model):
    head = model.network.get_output_embeddings()
    modules = model.network.named_modules()
    return {name: each for name, each in modules if isinstance(each, torch.nn.Linear) and each is not head}


@pytest.mark.medium
@needs_torchao
@pytest.mark.parametrize("name", ["llama", "qwen2", "phi"])
def test_weights_are_within_half_a_step_and_states_are_theirs(name, tmp_path):
    card = architectures.save(name, tmp_path / name)
    whole, parted = (load_model(each, tmp_path / "cache", dtype="float32") for each in (card, quantized(card)))
    layers = linear_layers(parted)
    for key, module in linear_layers(whole).items():
        weight, read = module.weight.data, layers[key].weight.data.dequantize()
        step = weight.abs().amax(1, keepdim=True) / 127  # of each output
        assert ((weight - read).abs() <= 0.505 * step).all()  # of float32
        assert not torch.equal(weight, read)
        module.weight.data = read
    one, other = (extract(each, PROMPTS, [0, 1, "2:mean", "last"]) for each in (whole, parted))
    for layer, states in one.items():  # the same products in another order
        np.testing.assert_allclose(other[layer], states, rtol=1e-4, atol=1e-5)
    assert check_head(parted, PROMPTS) < TOLERANCE["float32"]
    torch.testing.assert_close(parted.head.weight, whole.head.weight, rtol=0, atol=0)


@pytest.mark.medium
@needs_torchao
def test_linear_layers_but_the_head_hold_a_byte_a_weight(card, tmp_path):
    model = load_model(quantized(card), tmp_path / "cache", dtype="float32")
    head, layers = model.network.get_output_embeddings(), linear_layers(model).values()
    assert layers
    assert {type(each.weight.data).__name__ for each in layers} == {"Int8Tensor"}
    assert {each.weight.qdata.dtype for each in layers} == {torch.int8}
    assert type(head.weight.data) is torch.Tensor


@pytest.mark.medium
@needs_torchao
def test_a_model_without_linear_layers_is_refused(tmp_path):
    with pytest.raises(BadInput, match="has no linear layers"):
        load_model(quantized(architectures.save("gpt2", tmp_path / "gpt2")), tmp_path / "cache", dtype="float32")


def test_a_digest_is_of_the_bytes_and_of_how_they_are_quantized(card, tmp_path):
    kinds = [None, "torchao-int8", "bitsandbytes-int8", "bitsandbytes-int4"]
    digests = [fetch_checkpoint(quantized(card, kind), tmp_path / "cache")[1] for kind in kinds]
    assert digests == [model_digest(quantized(card, kind), tmp_path / "cache") for kind in kinds]
    assert len(set(digests)) == len(kinds)
    assert quantized_digest(digests[0], card) == digests[0]


def test_cards_without_the_key_need_nothing(card):
    assert card.quantization is None
    require_quantization(card, "offload")
    assert loading_settings(card, "auto", "cpu") is None
    assert load_card("models", "smollm2-135m").quantization is None


@pytest.mark.parametrize("family", ["masked", "encoder_decoder", "encoder"])
def test_other_families_are_refused_by_their_card(card, family):
    content = card.model_dump(exclude={"prepend_bos"}) | {"family": family, "quantization": "torchao-int8"}
    with pytest.raises(ValidationError, match="quantization is for causal models"):
        ModelCard.model_validate(content)
    with pytest.raises(ValidationError, match="torchao-int8"):
        ModelCard.model_validate(card.model_dump() | {"quantization": "int8"})


@without_torchao
def test_a_package_that_is_not_installed_is_named_with_its_extra(card, tmp_path):
    with pytest.raises(BadInput, match=r"torchao is not installed: pip install 'vocabsem\[torchao\]'"):
        load_model(quantized(card), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@without_bitsandbytes
@pytest.mark.parametrize("kind", ["bitsandbytes-int8", "bitsandbytes-int4"])
def test_bitsandbytes_is_named_with_its_extra(card, kind):
    with pytest.raises(BadInput, match=r"bitsandbytes is not installed: pip install 'vocabsem\[bitsandbytes\]'"):
        require_quantization(quantized(card, kind), "auto")


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A folder on the module path with packages of these names, which are only looked for."""
    for name in ("torchao", "bitsandbytes"):
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_bitsandbytes_without_a_gpu_is_refused(card, installed, device):
    for kind in ("bitsandbytes-int8", "bitsandbytes-int4"):
        with pytest.raises(BadInput, match=f"quantization: {kind}, which needs a GPU, and the device is a CPU"):
            require_quantization(quantized(card, kind), device)


def test_weights_on_the_disk_are_not_quantized(card, installed):
    for kind in ("torchao-int8", "bitsandbytes-int8"):
        with pytest.raises(BadInput, match="device 'offload:1GB' reads weights as they are on the disk"):
            require_quantization(quantized(card, kind), "offload:1GB")
    require_quantization(quantized(card), "cpu")
