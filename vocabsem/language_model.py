"""A frozen causal language model: its tokenizer, its network, its head, and the guard between them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vocabsem.cards.schema import ModelCard
from vocabsem.checkpoints import fetch_checkpoint, from_folder
from vocabsem.cpu_attention import use_fast_attention
from vocabsem.devices import DType, resolve_device, resolve_dtype
from vocabsem.errors import CardError, GuardFailed

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "Head",
    "LanguageModel",
    "load_model",
]

TOLERANCE = {"float32": 5e-4, "bfloat16": 2e-2}  # of the largest logit; a few roundings of the dtype


@dataclass(frozen=True)
class Head:
    """The language-model head, which maps a state to logits: `cap · tanh(scale · (W h + b) / cap)`.

    Attributes
    ----------
    weight : Tensor of shape (V, d), float32
        W, on the CPU.
    bias : Tensor of shape (V,), float32, or None
        b, on the CPU.
    softcap : float or None
        Final soft-cap, where the model has one.
    scale : float
        Logit multiplier.
    tokens : int
        Rows that belong to the tokenizer; those beyond are padding.
    """

    weight: "Tensor"
    bias: "Tensor | None"
    softcap: float | None
    scale: float
    tokens: int

    def logits(self, states: "Tensor") -> "Tensor":
        """Return the logits of states.

        Parameters
        ----------
        states : Tensor of shape (N, d), float32
            States that meet the head.

        Returns
        -------
        Tensor of shape (N, V), float32

        Examples
        --------
        >>> import torch
        >>> Head(torch.eye(2), None, softcap=None, scale=2.0, tokens=2).logits(torch.ones(1, 2)).tolist()
        [[2.0, 2.0]]
        """
        import torch

        scores = self.scale * torch.nn.functional.linear(states, self.weight, self.bias)
        return scores if self.softcap is None else self.softcap * torch.tanh(scores / self.softcap)


@dataclass(frozen=True)
class LanguageModel:
    """A loaded, frozen causal language model.

    Attributes
    ----------
    name : str
        Of its card.
    digest : str
        SHA-256 that identifies its bytes.
    network : PreTrainedModel
        In evaluation mode, without gradients.
    tokenizer : PreTrainedTokenizerBase
        Its tokenizer.
    dtype : {"float32", "bfloat16"}
        In which it computes.
    """

    name: str
    digest: str
    network: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    dtype: Literal["float32", "bfloat16"]

    @property
    def layers(self) -> int:
        """Number of decoder layers: state 0 is the embedding, state `layers` meets the head."""
        return int(self.network.config.get_text_config().num_hidden_layers)

    @property
    def head(self) -> Head:
        """Copy of the head in float32 on the CPU."""
        module = self.network.get_output_embeddings()
        config = self.network.config.get_text_config()
        bias = getattr(module, "bias", None)
        return Head(
            weight=module.weight.detach().float().cpu(),
            bias=None if bias is None else bias.detach().float().cpu(),
            softcap=getattr(config, "final_logit_softcapping", None),
            scale=float(getattr(config, "logit_scale", None) or 1.0)
            / float(getattr(config, "logits_scaling", None) or 1.0),
            tokens=min(len(self.tokenizer), module.weight.shape[0]),
        )

    def guard(self, ids: "Tensor", lengths: "Tensor", states: "Tensor", cache: "Cache | None" = None) -> float:
        """Return the largest difference between head(state) and the model's logits, as a share of the largest logit.

        The model runs on the same batch, so that only the head's own rounding remains.

        Parameters
        ----------
        ids : Tensor of shape (B, T)
            Token ids of prompts padded on the right.
        lengths : Tensor of shape (B,)
            Tokens of each prompt.
        states : Tensor of shape (B, d)
            Extracted states of their last tokens.
        cache : Cache, optional
            Keys and values of what precedes the prompts.

        Returns
        -------
        float

        Raises
        ------
        GuardFailed
            Beyond rounding: then a norm, scale, cap or bias between state and logits is not accounted for.
        """
        import torch

        with torch.inference_mode():
            logits = self.network(ids, past_key_values=cache, use_cache=cache is not None).logits  # (B, T, V)
            own = logits[torch.arange(len(ids), device=ids.device), lengths - 1].float().cpu()  # (B, V)
            difference = (self.head.logits(states.float().cpu()) - own).abs().max() / own.abs().max()
        if not difference <= TOLERANCE[self.dtype]:
            raise GuardFailed(
                f"model {self.name!r}: head(state) differs from the model's own logits by {difference:.2g} of the"
                f" largest logit (at most {TOLERANCE[self.dtype]:g} is rounding in {self.dtype}): look at the final"
                " norm, the head's bias, a logit scale or a soft-cap of this architecture in vocabsem/language_model.py"
            )
        return float(difference)


def load_model(
    card: ModelCard, cache: Path, *, dtype: DType | Literal["checkpoint"] = "auto", device: str = "auto"
) -> LanguageModel:
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
        A torch device; auto: the first GPU that torch can use, else the CPU.

    Returns
    -------
    LanguageModel

    Raises
    ------
    CardError
        Where the card's sizes are not the model's.
    ComputationFailed
        Where transformers cannot read it.

    Examples
    --------
    >>> load_model(load_card("models", "smollm2-135m"), Path(".vocabsem/cache")).layers  # doctest: +SKIP
    30
    """
    import torch

    folder, digest = fetch_checkpoint(card, cache)
    wanted: Any = "auto" if dtype == "checkpoint" else getattr(torch, resolve_dtype(dtype))
    network, tokenizer = from_folder(folder, wanted)
    network = network.eval().requires_grad_(False).to(resolve_device(device))
    if network.device.type == "cpu":
        use_fast_attention(network)
    config = network.config.get_text_config()
    sizes = {
        "layers": config.num_hidden_layers,
        "hidden_size": network.get_output_embeddings().weight.shape[1],
        "vocabulary_size": network.get_output_embeddings().weight.shape[0],
    }
    for field, value in sizes.items():
        if getattr(card, field) != value:
            raise CardError(
                f"model card {card.name!r} has {field}: {getattr(card, field)}, the model has {value}:"
                " fix the card or its source"
            )
    kind: Literal["float32", "bfloat16"] = "bfloat16" if network.dtype == torch.bfloat16 else "float32"
    return LanguageModel(card.name, digest, network, tokenizer, kind)
