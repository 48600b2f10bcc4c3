"""The tokens that all prompts begin with: run through the model once, their keys and values shared by every batch.

A template's first words are such tokens, and so are demonstrations: under causal attention they never see what follows.
"""

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel


def shared_tokens(token_ids: Sequence[Sequence[int]]) -> list[int]:
    """The longest beginning of all prompts that leaves each of them a token of its own."""
    together = itertools.takewhile(lambda tokens: len(set(tokens)) == 1, zip(*token_ids, strict=False))
    shared = [tokens[0] for tokens in together]
    return shared[: min(map(len, token_ids), default=1) - 1]


@dataclass(frozen=True)
class Prefix:
    """P tokens that the model has read, and the sum of their states by layer, (d,) each, for the mean over tokens."""

    length: int
    cache: "Cache | None"
    sums: "dict[int, Tensor]"

    def for_rows(self, rows: int) -> "Cache | None":
        """The keys and values for a batch of `rows` prompts; nothing is copied."""
        if self.cache is None:
            return None
        cache = copy.copy(self.cache)
        layers: list[Any] = [copy.copy(layer) for layer in self.cache.layers]
        for layer in layers:
            layer.keys = layer.keys.expand(rows, -1, -1, -1)  # (rows, heads, P, head size)
            layer.values = layer.values.expand(rows, -1, -1, -1)
        cache.layers = layers
        return cache


NO_PREFIX = Prefix(0, None, {})


def keeps_keys_and_values(network: "PreTrainedModel") -> bool:
    """Whether the model keeps keys and values of every layer, and nothing else, from token to token."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=network.config).layers
    return bool(layers) and all(isinstance(layer, DynamicLayer) for layer in layers)
