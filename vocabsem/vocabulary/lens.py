"""The lens: read a state at each layer by its nearest anchors and by the model's own logits.

Both read the same vector: the state after the model's final norm (and a projection where there is one), because only
that vector lives where head and anchors do. Nearness to anchors is the paper's absolute semantics; the model's own
logits of such a vector are the logit lens (nostalgebraist, 2020). The last layer's state has been through the final
norm already: it must not go through it twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vocabsem.errors import ComputationFailed
from vocabsem.families.layer_stack import layer_stack
from vocabsem.models.language_model import LanguageModel
from vocabsem.vocabulary.similarity import Array, as_tensor, similarity_logits

__all__ = ["LensScores", "anchor_lens", "apply_final_norm", "logit_lens"]

ROW = 64  # states that go through the model side by side, as the tokens of one text


@dataclass(frozen=True, eq=False)
class LensScores:
    """Scores of V tokens for each of K vectors, and of C chosen words.

    Attributes
    ----------
    ids : Tensor of shape (K, k), int64
        Tokens that score highest, best first.
    scores : Tensor of shape (K, k)
        Their scores.
    word_scores : Tensor of shape (K, C)
        Score of each word.
    word_ranks : Tensor of shape (K, C), int64
        Rank of each word among all tokens: 1 + the number of tokens that score higher.
    """

    ids: Tensor
    scores: Tensor
    word_scores: Tensor
    word_ranks: Tensor


def apply_final_norm(model: LanguageModel, states: Mapping[int, Array]) -> dict[int, Tensor]:
    """Return what would meet the head if the model ended at each layer.

    The model is run on tokens of no meaning, without its layers but the last, whose output the states replace: all that
    follows is the model's own code, whatever the architecture. Nothing else may run the model meanwhile.

    Parameters
    ----------
    model : LanguageModel
        The model that the states come from.
    states : mapping of int to array of shape (N, d)
        By layer, as `extraction.extract` returns them.

    Returns
    -------
    dict of int to Tensor of shape (N, d), float32
        By layer; the last layer's states unchanged.

    Raises
    ------
    ComputationFailed
        Where the model has no list of layers.

    Examples
    --------
    >>> apply_final_norm(model, {18: states})[18].shape  # doctest: +SKIP
    torch.Size([4, 576])
    """
    body = model.network.base_model
    if (stack := layer_stack(body, model.layers)) is None:
        raise ComputationFailed(f"model {model.name!r}: no list of {model.layers} layers in {type(body).__name__}")
    normed = {layer: as_tensor(given).float() for layer, given in states.items()}
    inner = [layer for layer in normed if layer != model.layers]
    if not inner:
        return normed
    rows = torch.cat([normed[layer] for layer in inner]).to(model.device, model.network.dtype)
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
    return normed | dict(zip(inner, vectors.split([len(normed[layer]) for layer in inner]), strict=True))


def anchor_lens(
    vectors: Array, anchors: Array, words: Sequence[Sequence[int]], k: int, hidden: Array | None = None
) -> LensScores:
    """Score tokens by the cosine of vectors with their anchors (paper §3.2).

    Parameters
    ----------
    vectors : array of shape (K, d)
        States after the final norm.
    anchors : array of shape (V, d)
        Anchors of the vocabulary.
    words : sequence of sequences of int
        Token ids of each of C words; a word of several tokens has the mean of their anchors.
    k : int
        Number of tokens to return for each vector.
    hidden : array of shape (V,), bool, optional
        Tokens that are never returned. Ranks of words are among all tokens.

    Returns
    -------
    LensScores
        Of cosines.

    Examples
    --------
    >>> import numpy as np
    >>> anchor_lens(np.eye(3)[:1], np.eye(3), [[2]], k=1).word_ranks.tolist()
    [[2]]
    """
    rows = as_tensor(anchors)
    scores = similarity_logits(vectors, rows)
    columns = [
        scores[:, list(ids)] if len(ids) == 1 else similarity_logits(vectors, rows[list(ids)].mean(0, keepdim=True))
        for ids in words
    ]
    return _lens_scores(scores, torch.cat([scores[:, :0], *columns], 1), k, hidden)


def logit_lens(logits: Tensor, words: Sequence[Sequence[int]], k: int) -> LensScores:
    """Score tokens by the log-probabilities of the model's own logits (nostalgebraist, 2020).

    Parameters
    ----------
    logits : Tensor of shape (K, V)
        Logits of K vectors.
    words : sequence of sequences of int
        Token ids of each of C words; a word of several tokens has the mean of their logits.
    k : int
        Number of tokens to return for each vector.

    Returns
    -------
    LensScores
        Of log-probabilities in nats, float64.

    Examples
    --------
    >>> logit_lens(torch.tensor([[1.0, 3.0, 2.0]]), [[0]], k=2).ids.tolist()
    [[1, 2]]
    """
    sums = logits.double().logsumexp(1, keepdim=True)
    columns = [logits[:, list(ids)].double().mean(1, keepdim=True) - sums for ids in words]
    return _lens_scores(logits.double() - sums, torch.cat([sums[:, :0], *columns], 1), k)


def _lens_scores(scores: Tensor, word_scores: Tensor, k: int, hidden: Array | None = None) -> LensScores:
    shown = scores if hidden is None else scores.masked_fill(torch.as_tensor(hidden), -torch.inf)
    best, ids = shown.topk(min(k, scores.shape[1]), dim=1)
    ranks = 1 + (scores[:, None] > word_scores[:, :, None]).sum(2)  # (K, C), of (K, C, V)
    return LensScores(ids, best, word_scores, ranks)
