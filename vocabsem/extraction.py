"""Prompts to hidden states, in token-budget batches.

Prompts are sorted by length and padded on the right. Under causal attention a token never sees what follows it, so
padding needs no mask and cannot change a state; states depend on their batch only by rounding. The tokens that all
prompts begin with, a template's first words or demonstrations, never see what follows either: they run through the
model once, and every batch shares their keys and values.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vocabsem.errors import BadInput, ComputationFailed, GuardFailed
from vocabsem.language_model import LanguageModel
from vocabsem.parallel import parallel_map, to_host, workers

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import Cache, PreTrainedModel

Pooling = Literal["last", "mean"]
TOKEN_BUDGET = {"cpu": 1024, "cuda": 16384}  # padded tokens a batch; larger ones fall out of the processor's cache
ALIKE = 0.99  # cosine of a state with itself computed in another order: 0.9999 in bfloat16 on SmolLM2
GUARDED = 4  # prompts whose logits the guard compares, of several lengths so that padding is seen too


def resolve_layers(layers: Sequence[int | Literal["last"]], depth: int) -> list[int]:
    """Ascending layer numbers; negative ones count from the last, as in a Python list. Raises BadInput out of range."""
    numbers = {depth if layer == "last" else layer + depth + 1 if layer < 0 else layer for layer in layers}
    wrong = sorted(number for number in numbers if not 0 <= number <= depth)
    if wrong or not numbers:
        raise BadInput(f"layers {list(layers)}: the model has layers 0 (embedding) to {depth} (meets the head)")
    return sorted(numbers)


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices grouped longest first, so that rows × longest ≤ `budget` (or one row) in every group."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    start = 0
    while start < len(order):
        rows = max(1, budget // lengths[order[start]])
        yield order[start : start + rows]
        start += rows


def even_batches(lengths: Sequence[int], budget: int, cores: int) -> list[list[int]]:
    """Batches of like size within the budget, as many for each core, so that none waits for another at the end."""
    widest = list(token_batches(lengths, budget))
    most = -(-len(widest) // cores) * cores
    share = sum(len(batch) * lengths[batch[0]] for batch in widest) // max(most, 1)
    while share < budget:
        batches = list(token_batches(lengths, share))
        if len(batches) <= most:
            return batches
        share += share // 64 + 1
    return widest


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


def extract(
    model: LanguageModel,
    token_ids: Sequence[Sequence[int]],
    layers: Sequence[int],
    *,
    pooling: Pooling = "last",
    budget: int | None = None,
    progress: Callable[[int, int], None] = lambda prompts, tokens: None,
) -> dict[int, np.ndarray]:
    """Hidden states of N prompts: {layer: (N, d) float32}, in the order given.

    Layer 0 is the embedding output, the last layer the vector that multiplies the head. `pooling` takes the last token
    or the mean over all tokens. `progress` is told the prompts and tokens of each batch. Raises BadInput for layers
    that the model does not have, ComputationFailed for a state that is not finite.
    """
    import torch

    device = model.network.device
    chosen = resolve_layers(layers, model.layers)
    # models that project their embeddings (OPT-350m) are wider inside than at the head
    inner = int(model.network.config.get_text_config().hidden_size)
    width = dict.fromkeys(chosen, inner) | {model.layers: int(model.network.get_output_embeddings().weight.shape[1])}
    states = {layer: np.empty((len(token_ids), width[layer]), dtype=np.float32) for layer in chosen}
    with torch.inference_mode():
        prefix = _prefix(model, token_ids, chosen)
    endings = [ids[prefix.length :] for ids in token_ids]
    lengths = [len(ids) for ids in endings]
    batches = even_batches(lengths, budget or TOKEN_BUDGET[device.type], workers(device))

    def run(rows: list[int]) -> dict[int, Callable[[], np.ndarray]]:
        with torch.inference_mode():
            found = _forward(model, prefix, *padded([endings[row] for row in rows], device), chosen, pooling)
            return {layer: to_host(vectors.float()) for layer, vectors in found.items()}

    with parallel_map(device) as each:
        for rows, found in zip(batches, each(run, batches), strict=True):
            for layer, arrived in found.items():
                states[layer][rows] = arrived()
            progress(len(rows), sum(len(token_ids[row]) for row in rows))
    for layer, stored in states.items():
        if not np.isfinite(stored).all():
            row = int(np.flatnonzero(~np.isfinite(stored).all(axis=1))[0])
            raise ComputationFailed(
                f"model {model.name!r}, layer {layer}: the state of prompt {row} is not finite in {model.dtype}:"
                " use dtype float32"
            )
    return states


def check_head(model: LanguageModel, token_ids: Sequence[Sequence[int]]) -> float:
    """The guard on the first prompts as one padded batch; see `LanguageModel.guard`.

    Raises GuardFailed, also where the first state after a shared beginning is not that of the whole prompt.
    """
    import torch

    some, device, last = token_ids[:GUARDED], model.network.device, [model.layers]
    with torch.inference_mode():
        prefix = _prefix(model, token_ids, last)
        ids, lengths = padded([ids[prefix.length :] for ids in some], device)
        states = _forward(model, prefix, ids, lengths, last, "last")[model.layers]
        if prefix.length:
            whole = _forward(model, NO_PREFIX, *padded(some[:1], device), last, "last")[model.layers]
            alike = float(torch.cosine_similarity(states[:1].float(), whole.float()))
            if not alike > ALIKE:
                raise GuardFailed(
                    f"model {model.name!r}: states after a shared beginning of {prefix.length} tokens have a cosine of"
                    f" {alike:.3f} with those of the whole prompts (at least {ALIKE}): this architecture does not go on"
                    " from stored keys and values: exclude it in vocabsem/extraction.py"
                )
        return model.guard(ids, lengths, states, prefix.for_rows(len(ids)))


def padded(prompts: Sequence[Sequence[int]], device: "torch.device") -> "tuple[Tensor, Tensor]":
    """Token ids (B, T) filled up on the right, and their lengths (B,)."""
    import torch

    lengths = torch.tensor([len(prompt) for prompt in prompts])
    ids = torch.zeros(len(prompts), int(lengths.max()), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    return ids.to(device), lengths.to(device)


def _prefix(model: LanguageModel, token_ids: Sequence[Sequence[int]], layers: Sequence[int]) -> Prefix:
    """What all prompts begin with, run through the model; nothing where the model cannot go on from there."""
    import torch

    shared = shared_tokens(token_ids) if len(token_ids) > 1 and keeps_keys_and_values(model.network) else []
    if not shared:
        return NO_PREFIX
    ids = torch.tensor([shared], device=model.network.device)
    output = model.network.base_model(ids, use_cache=True, output_hidden_states=_inner(model, layers))
    sums = {layer: states[0].float().sum(0) for layer, states in _states(model, output, layers).items()}
    return Prefix(len(shared), output.past_key_values, sums)


def _forward(
    model: LanguageModel, prefix: Prefix, ids: "Tensor", lengths: "Tensor", layers: Sequence[int], pooling: Pooling
) -> "dict[int, Tensor]":
    """{layer: (B, d)} of one batch that follows the prefix, run through the body of the model without its head."""
    import torch

    cache = prefix.for_rows(len(ids))
    output = model.network.base_model(
        ids, past_key_values=cache, use_cache=cache is not None, output_hidden_states=_inner(model, layers)
    )
    every = _states(model, output, layers)  # each (B, T, d)
    if pooling == "mean":
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]  # (B, T)
        sums = {layer: prefix.sums.get(layer, 0) + (h.float() * real[..., None]).sum(1) for layer, h in every.items()}
        return {layer: total / (prefix.length + lengths[:, None]) for layer, total in sums.items()}
    return {layer: h[torch.arange(len(ids), device=ids.device), lengths - 1] for layer, h in every.items()}


def _inner(model: LanguageModel, layers: Sequence[int]) -> bool:
    return any(layer != model.layers for layer in layers)


def _states(model: LanguageModel, output: Any, layers: Sequence[int]) -> "dict[int, Tensor]":
    return {
        layer: output.last_hidden_state if layer == model.layers else output.hidden_states[layer] for layer in layers
    }
