"""Causal language models: the state of the last token meets the head, which predicts the next one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vocabsem.families.base import HeadModel
from vocabsem.families.layer_inputs import gives_states, layer_inputs

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache

__all__ = ["LanguageModel"]


class LanguageModel(HeadModel):
    """A loaded, frozen causal language model. State 0 is the embedding, state `layers` meets the head.

    Attributes
    ----------
    name, digest, network, tokenizer, dtype
        As of every `FrozenModel`.
    """

    family = "causal"
    loader = "AutoModelForCausalLM"

    @property
    def pad(self) -> int:
        """Token id that fills a batch up: no token sees what follows it, so any does."""
        return 0

    def hidden_states(
        self, ids: "Tensor", lengths: "Tensor", layers: Sequence[int], cache: "Cache | None" = None
    ) -> "dict[int, Tensor]":
        """Return {layer: (B, T, d)} of one batch, run through the body of the model without its head.

        Layers after the last that is wanted are not run, where the body can be left. No token sees the padding after
        it: `lengths` is not used.
        """
        return self.states_and_cache(ids, layers, cache, use_cache=cache is not None)[0]

    def states_and_cache(
        self, ids: "Tensor", layers: Sequence[int], cache: "Cache | None" = None, *, use_cache: bool = True
    ) -> "tuple[dict[int, Tensor], Cache | None]":
        """Return {layer: (B, T, d)} of one batch, and its keys and values.

        Parameters
        ----------
        ids, layers, cache
            As in `hidden_states`.
        use_cache : bool
            Whether keys and values are kept.

        Returns
        -------
        tuple of dict of int to Tensor and Cache
        """
        if self.layers not in layers and gives_states(self.network.base_model, self.layers):
            return self._states_before(ids, layers, cache, use_cache)
        inner = any(layer != self.layers for layer in layers)
        output: Any = self.network.base_model(
            ids, past_key_values=cache, use_cache=use_cache, output_hidden_states=inner
        )
        states = {
            layer: output.last_hidden_state if layer == self.layers else output.hidden_states[layer] for layer in layers
        }
        return states, output.past_key_values

    def _states_before(
        self, ids: "Tensor", layers: Sequence[int], cache: "Cache | None", use_cache: bool
    ) -> "tuple[dict[int, Tensor], Cache | None]":
        """Return what the layers are given, and keys and values of those before the last of them.

        The first layer always runs: positions after a prefix are counted by its keys.
        """
        if use_cache and cache is None:
            from transformers import DynamicCache

            cache = DynamicCache(config=self.network.config)
        with layer_inputs({*layers, 1}) as given:
            self.network.base_model(ids, past_key_values=cache, use_cache=use_cache)
        return {layer: given[layer] for layer in layers}, cache

    def logits(self, ids: "Tensor", lengths: "Tensor", cache: "Cache | None" = None) -> "Tensor":
        """Return the model's own logits (B, T, V)."""
        logits: Tensor = self.network(ids, past_key_values=cache, use_cache=cache is not None).logits
        return logits
