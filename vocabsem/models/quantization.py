"""Causal models whose linear layers, the head aside, hold quantized weights: by bitsandbytes, or by torchao."""

from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vocabsem.cards.schema import ModelCard
from vocabsem.errors import BadInput
from vocabsem.runtime.devices import offload_limit, resolve_device

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["loading_settings", "quantize_weights", "quantized_digest", "require_quantization"]


def require_quantization(card: ModelCard, device: str) -> None:
    """Check that a model's weights can be quantized here, before anything is loaded.

    Parameters
    ----------
    card : ModelCard
        The model; one without `quantization` is let through.
    device : str
        As of `load_model`.

    Raises
    ------
    BadInput
        Where the package is not installed, for bitsandbytes without a GPU, and for `device: offload`.

    Examples
    --------
    >>> require_quantization(load_card("models", "smollm2-135m"), "cpu")  # doctest: +SKIP
    """
    if card.quantization is None:
        return
    package, what = card.quantization.partition("-")[0], f"model {card.name!r} has quantization: {card.quantization}"
    if find_spec(package) is None:
        raise BadInput(
            f"{what}, and {package} is not installed: pip install 'vocabsem[{package}]', or take the key out"
        )
    if offload_limit(device) is not None:
        raise BadInput(f"{what}, and device {device!r} reads weights as they are on the disk: take one of the two out")
    if package == "bitsandbytes" and not resolve_device(device).startswith("cuda"):
        raise BadInput(f"{what}, which needs a GPU, and the device is a CPU: give torchao-int8, or take the key out")


def quantized_digest(digest: str, card: ModelCard) -> str:
    """Return what identifies a model of some bytes: another digest where its weights are quantized.

    Parameters
    ----------
    digest : str
        Of the bytes.
    card : ModelCard
        The model.

    Returns
    -------
    str

    Examples
    --------
    >>> quantized_digest("0" * 64, load_card("models", "smollm2-135m")) == "0" * 64  # doctest: +SKIP
    True
    """
    return sha256(f"{digest}:{card.quantization}".encode()).hexdigest() if card.quantization else digest


def loading_settings(
    card: ModelCard, dtype: "torch.dtype | str", device: str
) -> AbstractContextManager[dict[str, Any]] | None:
    """Return the further arguments of `from_pretrained` with which transformers quantizes while it reads.

    Parameters
    ----------
    card : ModelCard
        The model.
    dtype : torch.dtype or "auto"
        In which 4-bit weights are multiplied.
    device : str
        As of `load_model`.

    Returns
    -------
    context manager of a mapping, or None
        None where bitsandbytes has no part in it.

    Examples
    --------
    >>> loading_settings(load_card("models", "smollm2-135m"), "auto", "cpu")  # doctest: +SKIP
    """
    if card.quantization is None or not card.quantization.startswith("bitsandbytes"):
        return None
    from transformers import BitsAndBytesConfig

    four = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"} | (
        {} if dtype == "auto" else {"bnb_4bit_compute_dtype": dtype}
    )
    config: Any = BitsAndBytesConfig(**({"load_in_8bit": True} if card.quantization.endswith("int8") else four))
    return nullcontext({"quantization_config": config, "device_map": {"": resolve_device(device)}})


def quantize_weights(card: ModelCard, network: "PreTrainedModel") -> None:
    """Quantize the linear layers of a loaded model but its head, where its card wants that of torchao.

    The weights of each output are int8 with a scale of their own; what they multiply keeps its dtype.

    Parameters
    ----------
    card : ModelCard
        The model.
    network : PreTrainedModel
        Changed in place.

    Raises
    ------
    BadInput
        For a model without layers of this kind, such as GPT-2, whose layers are convolutions of one column.

    Examples
    --------
    >>> quantize_weights(card, model.network)  # doctest: +SKIP
    """
    if card.quantization != "torchao-int8":
        return
    from torch import nn
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    head = network.get_output_embeddings()

    def is_wanted(module: nn.Module, _: str) -> bool:
        return isinstance(module, nn.Linear) and module is not head

    if not any(is_wanted(module, name) for name, module in network.named_modules()):
        raise BadInput(f"model {card.name!r} has no linear layers, which torchao quantizes: take quantization out")
    quantize_(network, Int8WeightOnlyConfig(set_inductor_config=False), filter_fn=is_wanted)
