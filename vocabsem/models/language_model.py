"""Load a frozen model: its tokenizer, its network, and its head where it has one."""

from pathlib import Path
from typing import Any, Literal

from vocabsem.cards.schema import ModelCard
from vocabsem.errors import CardError
from vocabsem.families.base import TOLERANCE, FrozenModel
from vocabsem.families.causal import LanguageModel
from vocabsem.families.head import Head
from vocabsem.families.registry import FAMILIES
from vocabsem.models.checkpoints import fetch_checkpoint, from_folder
from vocabsem.models.offloading import offloaded
from vocabsem.models.quantization import loading_settings, quantize_weights, require_quantization
from vocabsem.runtime.cpu_attention import use_fast_attention
from vocabsem.runtime.devices import DType, resolve_device, resolve_dtype

__all__ = ["TOLERANCE", "FrozenModel", "Head", "LanguageModel", "load_model", "require_sizes"]


def load_model(
    card: ModelCard, cache: Path, *, dtype: DType | Literal["checkpoint"] = "auto", device: str = "auto"
) -> FrozenModel:
    """Load a model, frozen and in evaluation mode.

    Parameters
    ----------
    card : ModelCard
        The model.
    cache : Path
        Folder of fetched sources.
    dtype : {"auto", "float32", "bfloat16", "checkpoint"}
        auto: the dtype that suits the machine; checkpoint: that of the file.
    device : str
        A torch device; auto: the first GPU that torch can use, else the CPU; offload or offload:8GB: as auto, with the
        weights that fit into no memory on the disk.

    Returns
    -------
    LanguageModel, or another FrozenModel of the card's family

    Raises
    ------
    CardError
        Where the card's sizes are not the model's.
    BadInput
        Where a card's quantization cannot be had here.
    ComputationFailed
        Where transformers cannot read it.

    Examples
    --------
    >>> load_model(load_card("models", "smollm2-135m"), Path(".vocabsem/cache")).layers  # doctest: +SKIP
    30
    """
    import torch

    require_quantization(card, device)
    folder, digest = fetch_checkpoint(card, cache)
    wanted: Any = "auto" if dtype == "checkpoint" else getattr(torch, resolve_dtype(dtype))
    network, tokenizer = from_folder(
        folder, wanted, card.family, loading_settings(card, wanted, device) or offloaded(device, cache)
    )
    network = network.eval().requires_grad_(False)
    if not hasattr(network, "hf_device_map"):
        network = network.to(resolve_device(device))
    quantize_weights(card, network)
    kind: Literal["float32", "bfloat16"] = "bfloat16" if network.dtype == torch.bfloat16 else "float32"
    model = FAMILIES[card.family].of_checkpoint(card.name, digest, network, tokenizer, kind, folder)
    if model.device.type == "cpu" and card.family == "causal":
        use_fast_attention(network)
    require_sizes(card, model)
    return model


def require_sizes(card: ModelCard, model: FrozenModel) -> None:
    """Check that a card's sizes are the model's.

    Parameters
    ----------
    card : ModelCard
        With sizes.
    model : FrozenModel
        Read from the card's source.

    Raises
    ------
    CardError
        Where one is not.

    Examples
    --------
    >>> require_sizes(card, load_model(card, cache))  # doctest: +SKIP
    """
    sizes = {
        "layers": model.layers,
        "hidden_size": model.width(model.layers),
        "vocabulary_size": model.vocabulary_size,
    }
    for field, value in sizes.items():
        if getattr(card, field) != value:
            raise CardError(
                f"model card {card.name!r} has {field}: {getattr(card, field)}, the model has {value}:"
                " fix the card or its source"
            )
