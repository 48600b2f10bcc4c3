"""A state's meaning, layer by layer: the anchors it is nearest to, and what the model would say if it ended there.

Both read the same vector: the state after the model's own ending (the final norm, and a projection where there is one),
because only that vector lives where head and anchors do. Nearness to anchors is the paper's absolute semantics; the
model's own logits of such a vector are the logit lens (nostalgebraist, 2020). The last layer's state has been through
the ending already: it must not go through it twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vocabsem.errors import ComputationFailed
from vocabsem.language_model import LanguageModel
from vocabsem.similarity import Array, as_tensor, similarity_logits

ROW = 64  # states that go through the model side by side, as the tokens of one text


@dataclass(frozen=True, eq=False)
class Reading:
    """K vectors read in a vocabulary of V tokens, with C words looked for.

    ids    (K, k) int64: the tokens that score highest, best first
    scores (K, k): their scores
    words  (K, C): the score of each word
    ranks  (K, C) int64: the place of each word among all tokens, 1 + those that score higher
    """

    ids: Tensor
    scores: Tensor
    words: Tensor
    ranks: Tensor


def endings(model: LanguageModel, states: Mapping[int, Array]) -> dict[int, Tensor]:
    """States {layer: (N, d)} as `extraction.extract` gives them → {layer: (N, d)} float32, what would meet the head.

    The model is run on tokens of no meaning, without its layers but the last, whose output the states replace: all that
    follows is the model's own code, whatever the architecture. Nothing else may run the model meanwhile. Raises
    ComputationFailed where no list of layers is found.
    """
    body = model.network.base_model
    stack = next((m for m in body.modules() if isinstance(m, nn.ModuleList) and len(m) == model.layers), None)
    if stack is None:
        raise ComputationFailed(f"model {model.name!r}: no list of {model.layers} layers in {type(body).__name__}")
    ended = {layer: as_tensor(given).float() for layer, given in states.items()}
    inner = [layer for layer in ended if layer != model.layers]
    if not inner:
        return ended
    rows = torch.cat([ended[layer] for layer in inner]).to(model.network.device, model.network.dtype)
    length = min(len(rows), ROW)
    padded = nn.functional.pad(rows, (0, 0, 0, -len(rows) % length)).unflatten(0, (-1, length))  # (B, T, d)
    last, others = stack[-1], dict(stack.named_children())

    def replace(module: nn.Module, given: Any, output: Any) -> Any:
        return (padded, *output[1:]) if isinstance(output, tuple) else padded

    hook = last.register_forward_hook(replace)
    try:
        stack._modules = {"0": last}
        with torch.inference_mode():
            ids = torch.zeros(padded.shape[:2], dtype=torch.long, device=rows.device)
            vectors = body(ids, use_cache=False).last_hidden_state.flatten(0, 1)[: len(rows)].float().cpu()
    finally:
        stack._modules = dict(others)
        hook.remove()
    return ended | dict(zip(inner, vectors.split([len(ended[layer]) for layer in inner]), strict=True))


def by_anchor(vectors: Array, anchors: Array, words: Sequence[Sequence[int]], k: int) -> Reading:
    """Cosine of vectors (K, d) with anchors (V, d); a word of several tokens has the mean of their anchors."""
    rows = as_tensor(anchors)
    scores = similarity_logits(vectors, rows)
    found = [
        scores[:, list(ids)] if len(ids) == 1 else similarity_logits(vectors, rows[list(ids)].mean(0, keepdim=True))
        for ids in words
    ]
    return _read(scores, torch.cat([scores[:, :0], *found], 1), k)


def by_logit(logits: Tensor, words: Sequence[Sequence[int]], k: int) -> Reading:
    """Log-probabilities of logits (K, V); a word of several tokens has the mean of their logits."""
    sums = logits.double().logsumexp(1, keepdim=True)
    found = [logits[:, list(ids)].double().mean(1, keepdim=True) - sums for ids in words]
    return _read(logits.double() - sums, torch.cat([sums[:, :0], *found], 1), k)


def _read(scores: Tensor, words: Tensor, k: int) -> Reading:
    best, ids = scores.topk(min(k, scores.shape[1]), dim=1)
    ranks = 1 + (scores[:, None] > words[:, :, None]).sum(2)  # (K, C), of (K, C, V)
    return Reading(ids, best, words, ranks)
