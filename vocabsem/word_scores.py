"""Score label words of any length: each continues the keys and values of its prompt.

Prompts of one length run together, so that no padding stands between a prompt and a word. What all prompts share runs
once, a prompt once for all of its words, and its last state scores every first token.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vocabsem.batching import padded
from vocabsem.errors import ComputationFailed, DataError
from vocabsem.extraction import TOKEN_BUDGET, Prefix, keeps_keys_and_values, shared_prefix
from vocabsem.families.causal import LanguageModel
from vocabsem.head import Head
from vocabsem.label_space import LabelSpace
from vocabsem.parallel import parallel_map, to_host

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["score_space", "score_words"]

BLOCK = 128  # states whose logits of all tokens exist at a time: 25 MB where V is 49,152


def score_words(
    model: LanguageModel,
    token_ids: Sequence[Sequence[int]],
    words: Sequence[Sequence[int]],
    *,
    budget: int | None = None,
    progress: Callable[[int, int], None] = lambda prompts, tokens: None,
) -> NDArray[np.float64]:
    """Compute log P(word | prompt): the sum of the log-probabilities of the word's tokens, each after those before it.

    Parameters
    ----------
    model : LanguageModel
        The frozen model.
    token_ids : sequence of sequences of int
        Of N prompts.
    words : sequence of sequences of int
        Tokens of each of W words, as they follow a prompt.
    budget : int, optional
        Most tokens of a batch; by default `TOKEN_BUDGET` of the device.
    progress : callable
        Called with the prompts and tokens of each finished batch.

    Returns
    -------
    ndarray of shape (N, W), float64
        In nats; exact but for the rounding of the model's dtype, with softmax in float32 at least.

    Raises
    ------
    DataError
        A word without tokens.
    ComputationFailed
        A score that is not finite.

    Examples
    --------
    >>> score_words(model, [[1, 2, 3]], [[4], [5, 6]]).shape  # doctest: +SKIP
    (1, 2)
    """
    import torch

    if not all(words):
        raise DataError(f"label word {[bool(ids) for ids in words].index(False)} has no tokens: give it some")
    device, dtype = model.network.device, torch.promote_types(model.network.dtype, torch.float32)
    head = _moved(model.head, device, dtype)
    first = torch.tensor([ids[0] for ids in words], device=device)  # (W,)
    several = [word for word, ids in enumerate(words) if len(ids) > 1]  # M of them
    given = [words[word][:-1] for word in several]
    steps = [(m, t) for m, ids in enumerate(given) for t in range(len(ids))]  # P tokens after the first ones
    word, position = torch.tensor(steps, device=device).reshape(-1, 2).T
    following = torch.tensor([words[several[m]][t + 1] for m, t in steps], device=device)  # (P,)
    of_word = torch.tensor(several, device=device)[word] if steps else word
    with torch.inference_mode():
        prefix = shared_prefix(model, token_ids, [model.layers])

    def run(rows: list[int]) -> Callable[[], np.ndarray]:
        with torch.inference_mode():
            ids, _ = padded([token_ids[row][prefix.length :] for row in rows], device)
            last, after = _states(model, prefix, ids, given)
            scores = _log_probabilities(head, last.to(dtype), first.expand(len(ids), -1))  # (B, W)
            if after is not None:
                each = after[:, word, position].flatten(0, 1).to(dtype)  # (B·P, d)
                terms = _log_probabilities(head, each, following.repeat(len(ids))[:, None])
                scores.index_add_(1, of_word, terms.view(len(ids), -1))
            return to_host(scores)

    scores = np.empty((len(token_ids), len(words)))
    lengths = [len(ids) - prefix.length for ids in token_ids]
    batches = list(_batches(lengths, budget or TOKEN_BUDGET[device.type], sum(map(len, given))))
    with parallel_map(device) as map_:
        for rows, wait in zip(batches, map_(run, batches), strict=True):
            scores[rows] = wait()
            progress(len(rows), sum(len(token_ids[row]) for row in rows))
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise ComputationFailed(f"model {model.name!r}: a label word after prompt {row} has a score that is not finite")
    return scores


def _moved(head: Head, device: "torch.device", dtype: "torch.dtype") -> Head:
    bias = None if head.bias is None else head.bias.to(device, dtype)
    return replace(head, weight=head.weight.to(device, dtype), bias=bias)


def _batches(lengths: Sequence[int], budget: int, words: int) -> Iterator[list[int]]:
    """Yield rows of one length each, longest first, that stay in the budget with the tokens of all words."""
    for length in sorted(set(lengths), reverse=True):
        rows = [row for row, own in enumerate(lengths) if own == length]
        size = max(1, budget // (length + words))
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _states(
    model: LanguageModel, prefix: Prefix, ids: "Tensor", words: Sequence[Sequence[int]]
) -> "tuple[Tensor, Tensor | None]":
    """Return the states of the prompts' last tokens (B, d), and those of the words after each (B, M, longest, d)."""
    import torch

    last, keeps = model.layers, keeps_keys_and_values(model.network)
    # where the model does not keep them there is no prefix either: `shared_prefix`
    states, cache = model.states_and_cache(ids, [last], prefix.for_rows(len(ids)), use_cache=keeps)
    ends = states[last][:, -1]
    if not words:
        return ends, None
    tokens = padded(words, ids.device)[0].repeat(len(ids), 1)  # (B·M, longest)
    if keeps and cache is not None:
        cache.batch_repeat_interleave(len(words))
        after = model.states_and_cache(tokens, [last], cache)[0][last]
    else:
        whole = torch.cat([ids.repeat_interleave(len(words), 0), tokens], 1)
        after = model.states_and_cache(whole, [last], use_cache=False)[0][last][:, ids.shape[1] :]
    return ends, after.view(len(ids), len(words), *after.shape[1:])


def _log_probabilities(head: Head, states: "Tensor", tokens: "Tensor") -> "Tensor":
    """Return the log-probabilities of tokens (n, k) after states (n, d)."""
    import torch

    parts = []
    for some, wanted in zip(states.split(BLOCK), tokens.split(BLOCK), strict=True):
        logits = head.logits(some)  # (≤ BLOCK, V)
        parts.append(logits.gather(1, wanted) - logits.logsumexp(1, keepdim=True))
    return torch.cat(parts)


def score_space(lengths: Sequence[int], words: Sequence[Sequence[int]], *, per_token: bool = False) -> LabelSpace:
    """Return the label space of word scores, so that a method of the model's own answers reads them as it reads states.

    The logit of a class is the mean score of its words. A class of one word has that word's log P(word | prompt).

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each of W words.
    words : sequence of sequences of int
        Which words each of C classes has, by number.
    per_token : bool, default=False
        Whether a score is divided by the word's tokens.

    Returns
    -------
    LabelSpace
        Of width W.

    Examples
    --------
    >>> space = score_space([1, 2, 1], [[0], [1, 2]], per_token=True)
    >>> space.label_logits(np.array([[-2.0, -6.0, -1.0]])).tolist()
    [[-2.0, -2.0]]
    """
    weights = np.zeros((len(words), len(lengths)), np.float32)
    for row, mine in enumerate(words):
        weights[row, list(mine)] = 1 / len(mine)
    if per_token:
        weights /= np.asarray(lengths, np.float32)
    return LabelSpace(weights, weights, np.zeros(len(words), np.float32))
