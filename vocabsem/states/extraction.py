"""Extract hidden states of prompts, in token-budget batches.

Prompts are sorted by length and padded on the right; states depend on their batch only by rounding. Under causal
attention a token never sees what follows it, so padding needs no mask. The prefix that all prompts share, a template's
first words or demonstrations, never sees what follows either: it runs through the model once, and every batch shares
its keys and values. Models of other families are given an attention mask, and whole prompts.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabsem.errors import GuardFailed
from vocabsem.families.base import FrozenModel
from vocabsem.families.causal import LanguageModel
from vocabsem.runtime.parallel import to_host
from vocabsem.states.batching import not_finite, padded, run_batches, shared_tokens
from vocabsem.states.layers import GivenLayer, Layer, Pooling, layer_and_pooling, resolve_layers
from vocabsem.states.pooling import TOKEN_WEIGHTS, reads_twice

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel

__all__ = ["Prefix", "check_head", "extract", "keeps_keys_and_values", "shared_prefix"]

MIN_COSINE = 0.99  # cosine of a state with itself computed in another order: 0.9999 in bfloat16 on SmolLM2
GUARD_PROMPTS = 4  # prompts whose logits the guard compares, of several lengths so that padding is covered too


@dataclass(frozen=True)
class Prefix:
    """A shared prefix of P tokens that ran through the model.

    Attributes
    ----------
    length : int
        Number P of tokens.
    cache : Cache or None
        Their keys and values.
    states : dict of int to Tensor of shape (P, d)
        Their states by layer, for poolings over all tokens.
    """

    length: int
    cache: "Cache | None"
    states: "dict[int, Tensor]"

    def for_rows(self, rows: int) -> "Cache | None":
        """Return the keys and values for a batch; nothing is copied.

        Parameters
        ----------
        rows : int
            Prompts in the batch.

        Returns
        -------
        Cache or None
            None for an empty prefix.
        """
        if self.cache is None:
            return None
        cache = copy.copy(self.cache)
        layers: list[Any] = [copy.copy(layer) for layer in self.cache.layers]
        for layer in layers:
            if layer.is_initialized:  # (rows, heads, P, head size); those after the last wanted layer are empty
                layer.keys, layer.values = (each.expand(rows, -1, -1, -1) for each in (layer.keys, layer.values))
        cache.layers = layers
        return cache


NO_PREFIX = Prefix(0, None, {})


def keeps_keys_and_values(network: "PreTrainedModel") -> bool:
    """Return whether the model keeps keys and values of every layer, and nothing else, from token to token.

    Parameters
    ----------
    network : PreTrainedModel
        Any causal language model.

    Returns
    -------
    bool

    Examples
    --------
    >>> keeps_keys_and_values(model.network)  # doctest: +SKIP
    True
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=network.config).layers
    return bool(layers) and all(isinstance(layer, DynamicLayer) for layer in layers)


def extract(
    model: FrozenModel,
    token_ids: Sequence[Sequence[int]],
    layers: Sequence[GivenLayer],
    *,
    pooling: Pooling = "last",
    budget: int | None = None,
    progress: Callable[[int, int], None] = lambda prompts, tokens: None,
) -> dict[Layer, np.ndarray]:
    """Compute the hidden states of prompts.

    Parameters
    ----------
    model : FrozenModel
        The frozen model.
    token_ids : sequence of sequences of int
        Of N prompts.
    layers : sequence of int, float or str
        As in `resolve_layers`: 0 is the embedding output, the last layer the vector that multiplies the head.
    pooling : {"last", "mean", "weighted_mean", "echo"}
        State of the last token (at the mask of a masked model, as an encoder pools), or as `vocabsem.states.pooling`
        has it over all tokens, of layers that do not name theirs.
    budget : int, optional
        Most padded tokens of a batch; by default `TOKEN_BUDGET` of the device.
    progress : callable
        Called with the prompts and tokens of each finished batch.

    Returns
    -------
    dict of int or str to ndarray of shape (N, d), float32
        By layer as `resolve_layers` names and orders them, rows in the order of the prompts.

    Raises
    ------
    DataError
        For layers that the model does not have.
    ComputationFailed
        For a state that is not finite.

    Examples
    --------
    >>> extract(model, [[1, 2, 3], [4]], layers=[0, 30])[30].shape  # doctest: +SKIP
    (2, 576)
    """
    import torch

    device = model.device
    chosen = resolve_layers(layers, model.layers, pooling)
    numbers = sorted({layer_and_pooling(layer)[0] for layer in chosen})
    states: dict[Layer, np.ndarray] = {
        layer: np.empty((len(token_ids), model.width(layer_and_pooling(layer)[0])), dtype=np.float32)
        for layer in chosen
    }
    with torch.inference_mode():
        prefix = shared_prefix(model, token_ids, numbers)
    again = [_repeated(model, ids) if reads_twice(chosen, pooling) else [] for ids in token_ids]
    suffixes = [[*ids[prefix.length :], *second] for ids, second in zip(token_ids, again, strict=True)]
    lengths = [len(ids) for ids in suffixes]

    def run(rows: list[int]) -> dict[Layer, Callable[[], np.ndarray]]:
        with torch.inference_mode():
            ids, ends = padded([suffixes[row] for row in rows], device, model.pad)
            prompts = ends - torch.tensor([len(again[row]) for row in rows], device=device)
            batch = _forward(model, prefix, ids, prompts, chosen, pooling, ends)
            return {layer: to_host(vectors.float()) for layer, vectors in batch.items()}

    def take(rows: list[int], batch: dict[Layer, np.ndarray]) -> None:
        for layer, vectors in batch.items():
            states[layer][rows] = vectors
        progress(len(rows), sum(len(token_ids[row]) for row in rows))

    run_batches(device, lengths, budget, run, take, model.max_workers)
    for layer, stored in states.items():
        if not np.isfinite(stored).all():
            row = int(np.flatnonzero(~np.isfinite(stored).all(axis=1))[0])
            raise not_finite(model, f"layer {layer}: the state of prompt {row}")
    return states


def check_head(model: FrozenModel, token_ids: Sequence[Sequence[int]]) -> float:
    """Check head(state) against the model's own logits, on the first prompts as one padded batch.

    Parameters
    ----------
    model : FrozenModel
        The frozen model.
    token_ids : sequence of sequences of int
        Of the prompts, of which the first four are run.

    Returns
    -------
    float
        Largest difference, as a share of the largest logit; see `LanguageModel.guard`.

    Raises
    ------
    GuardFailed
        Beyond rounding, or where the first state after a shared prefix is not that of the whole prompt.
    ComputationFailed
        For a state that is not finite.

    Examples
    --------
    >>> check_head(model, [[1, 2, 3], [4]]) < 5e-4  # doctest: +SKIP
    True
    """
    import torch

    some, device, last = token_ids[:GUARD_PROMPTS], model.device, [model.layers]
    with torch.inference_mode():
        prefix = shared_prefix(model, token_ids, last)
        ids, lengths = padded([ids[prefix.length :] for ids in some], device, model.pad)
        states = _forward(model, prefix, ids, lengths, last, "last")[model.layers]
        if not torch.isfinite(states).all():
            raise not_finite(model, f"layer {model.layers}: a state of the first {len(some)} prompts")
        if prefix.length:
            whole = _forward(model, NO_PREFIX, *padded(some[:1], device, model.pad), last, "last")[model.layers]
            cosine = float(torch.cosine_similarity(states[:1].float(), whole.float()))
            if not cosine > MIN_COSINE:
                raise GuardFailed(
                    f"model {model.name!r}: states after a shared prefix of {prefix.length} tokens have a cosine of"
                    f" {cosine:.3f} with those of the whole prompts (at least {MIN_COSINE}): this architecture cannot"
                    " continue from stored keys and values: exclude it in vocabsem/states/extraction.py"
                )
        return model.guard(ids, lengths, states, prefix.for_rows(len(ids)))


def shared_prefix(model: FrozenModel, token_ids: Sequence[Sequence[int]], layers: Sequence[int]) -> Prefix:
    """Run the shared prefix through the model; return an empty one where the model cannot continue from it.

    Parameters
    ----------
    model : FrozenModel
        The frozen model.
    token_ids : sequence of sequences of int
        Of N prompts.
    layers : sequence of int
        Whose states the prefix holds.

    Returns
    -------
    Prefix

    Examples
    --------
    >>> shared_prefix(model, [[1, 2, 3], [1, 2, 4]], layers=[30]).length  # doctest: +SKIP
    2
    """
    import torch

    if not isinstance(model, LanguageModel) or len(token_ids) < 2 or not keeps_keys_and_values(model.network):
        return NO_PREFIX
    shared = shared_tokens(token_ids)
    if not shared:
        return NO_PREFIX
    every, cache = model.states_and_cache(torch.tensor([shared], device=model.device), layers)
    return Prefix(len(shared), cache, {layer: states[0] for layer, states in every.items()})


def _repeated(model: FrozenModel, ids: Sequence[int]) -> Sequence[int]:
    """Return a prompt as it is read once more, without the token that begins a sequence."""
    return ids[1:] if len(ids) > 1 and ids[0] == model.tokenizer.bos_token_id else ids


def _forward(
    model: FrozenModel,
    prefix: Prefix,
    ids: "Tensor",
    lengths: "Tensor",
    layers: Sequence[Layer],
    pooling: Pooling,
    ends: "Tensor | None" = None,
) -> "dict[Layer, Tensor]":
    """Return {layer: (B, d)} of one batch after the prefix; `ends`: tokens with a second reading of the prompt."""
    import torch

    wanted = {layer: layer_and_pooling(layer, pooling) for layer in layers}
    numbers = [number for number, _ in wanted.values()]
    every = model.hidden_states(ids, lengths, numbers, prefix.for_rows(len(ids)))  # each (B, T, d)
    position = torch.arange(prefix.length + ids.shape[1], device=ids.device)  # (P + T,)
    prompt, end = (prefix.length + tokens[:, None] for tokens in (lengths, lengths if ends is None else ends))

    def pooled(number: int, how: Pooling) -> "Tensor":
        if how == "last":
            return model.at_answer(every[number], ids, lengths)
        weights = TOKEN_WEIGHTS[how](position, prompt, end)  # (B, P + T)
        total = (every[number].float() * weights[:, prefix.length :, None]).sum(1)
        if prefix.length:  # whose tokens have the same weights in all prompts
            total = (prefix.states[number].float() * weights[0, : prefix.length, None]).sum(0) + total
        return total / weights.sum(1, keepdim=True)

    return {layer: model.scaled(pooled(number, how)) for layer, (number, how) in wanted.items()}
