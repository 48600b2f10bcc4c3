"""A model of the same architecture and tokenizer whose weights are as they are before any training."""

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vocabsem.families.causal import LanguageModel

__all__ = ["untrained"]


def untrained(model: "LanguageModel", seed: int) -> "LanguageModel":
    """Return the model with random weights, drawn as transformers draws those of a model that is to be trained.

    Parameters
    ----------
    model : LanguageModel
        The frozen model.
    seed : int
        Of the draws.

    Returns
    -------
    LanguageModel
        Frozen too, on the same device and in the same dtype.

    Examples
    --------
    >>> untrained(model, seed=0).layers == model.layers  # doctest: +SKIP
    True
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = type(model.network)(model.network.config)
    network = network.eval().requires_grad_(False).to(device=model.device, dtype=model.network.dtype)
    return replace(model, network=network)
