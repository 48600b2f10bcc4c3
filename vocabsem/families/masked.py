"""Masked language models: the state at the mask token, after the head's transform, meets the decoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vocabsem.errors import SourceError
from vocabsem.families.base import HeadModel
from vocabsem.families.head_input import head_inputs, record_head_inputs

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache

__all__ = ["MaskedModel", "attended"]


@dataclass(frozen=True)
class MaskedModel(HeadModel):
    """A loaded, frozen masked language model: BERT, RoBERTa, ModernBERT, DeBERTa and the like.

    States 0 to `layers` - 1 are hidden states. State `layers` is what multiplies the decoder: the last hidden state
    after the head's transform (dense, activation, norm), whatever its architecture makes of it.

    Attributes
    ----------
    name, digest, network, tokenizer, dtype
        As of every `FrozenModel`.
    """

    family = "masked"
    loader = "AutoModelForMaskedLM"

    def __post_init__(self) -> None:
        """Watch what the decoder is given. Raises SourceError where there is no mask, or no plain decoder."""
        embedding: Any = self.network.get_input_embeddings()
        vocabulary = int(embedding.weight.shape[0])
        if self.tokenizer.mask_token_id is None:
            raise SourceError(f"the tokenizer of {self.name!r} has no mask token: say family: encoder in its card")
        if self.vocabulary_size != vocabulary:
            raise SourceError(
                f"the decoder of {self.name!r} has {self.vocabulary_size} rows for {vocabulary} tokens: its head is no"
                " plain product of a state (DeBERTa with legacy: false), which is not supported"
            )
        record_head_inputs(self._decoder)

    def hidden_states(
        self, ids: "Tensor", lengths: "Tensor", layers: Sequence[int], cache: "Cache | None" = None
    ) -> "dict[int, Tensor]":
        """Return {layer: (B, T, d)} of one batch. All tokens see each other: `cache` is not used."""
        inner = any(layer != self.layers for layer in layers)
        with head_inputs() as given:
            output: Any = self.network(ids, attention_mask=attended(ids, lengths), output_hidden_states=inner)
        return {layer: given[0] if layer == self.layers else output.hidden_states[layer] for layer in layers}

    def at_answer(self, states: "Tensor", ids: "Tensor", lengths: "Tensor") -> "Tensor":
        """Return the states at the masks: (B, d)."""
        import torch

        position = (ids == self.tokenizer.mask_token_id).int().argmax(dim=1)
        return states[torch.arange(len(ids), device=ids.device), position]

    def logits(self, ids: "Tensor", lengths: "Tensor", cache: "Cache | None" = None) -> "Tensor":
        """Return the model's own logits (B, T, V)."""
        logits: Tensor = self.network(ids, attention_mask=attended(ids, lengths)).logits
        return logits


def attended(ids: "Tensor", lengths: "Tensor") -> "Tensor":
    """Return the attention mask (B, T) of prompts padded on the right.

    Parameters
    ----------
    ids : Tensor of shape (B, T)
        Token ids.
    lengths : Tensor of shape (B,)
        Tokens of each prompt.

    Returns
    -------
    Tensor of shape (B, T), int64

    Examples
    --------
    >>> import torch
    >>> attended(torch.tensor([[5, 0], [6, 7]]), torch.tensor([1, 2])).tolist()
    [[1, 0], [1, 1]]
    """
    import torch

    return (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]).long()
