"""Score label words, or the options of a row, of any length: each continues the keys and values of its prompt.

Prompts of one length run together, so that there is no padding between a prompt and a word. What all prompts share runs
once, a prompt once for all of its words, and its last state scores every first token.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import ComputationFailed, DataError
from vocabsem.families.causal import LanguageModel
from vocabsem.families.head import Head
from vocabsem.label_space import LabelSpace
from vocabsem.runtime.parallel import parallel_map, to_host
from vocabsem.states.batching import TOKEN_BUDGET, padded
from vocabsem.states.extraction import Prefix, keeps_keys_and_values, shared_prefix

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["score_options", "score_space", "score_words"]

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
    if not all(words):
        raise DataError(f"label word {[bool(ids) for ids in words].index(False)} has no tokens: give it some")
    scores = score_options(
        model, token_ids, [words] * len(token_ids), budget=budget, progress=progress, what="label word"
    )
    return np.stack(scores) if scores else np.empty((0, len(words)))


def score_options(
    model: LanguageModel,
    token_ids: Sequence[Sequence[int]],
    options: Sequence[Sequence[Sequence[int]]],
    *,
    budget: int | None = None,
    progress: Callable[[int, int], None] = lambda prompts, tokens: None,
    what: str = "option",
) -> list[NDArray[np.float64]]:
    """Compute log P(option | prompt) where each prompt has options of its own: the sum over the option's tokens.

    Parameters
    ----------
    model : LanguageModel
        The frozen model.
    token_ids : sequence of sequences of int
        Of N prompts.
    options : sequence of sequences of sequences of int
        Tokens of each option, one at least, of each prompt, as they follow it.
    budget, progress
        As in `score_words`.
    what : str
        What an option is called in messages.

    Returns
    -------
    list of ndarray, float64
        Of each prompt (K,), in nats, K its number of options; rounded as in `score_words`.

    Raises
    ------
    ComputationFailed
        A score that is not finite.

    Examples
    --------
    >>> score_options(model, [[1, 2], [3]], [[[4], [5, 6]], [[7]]])[1].shape  # doctest: +SKIP
    (1,)
    """
    import torch

    device, dtype = model.device, torch.promote_types(model.network.dtype, torch.float32)
    head = _moved(model.head, device, dtype)
    with torch.inference_mode():
        prefix = shared_prefix(model, token_ids, [model.layers])

    def run(rows: list[int]) -> Callable[[], np.ndarray]:
        with torch.inference_mode():
            ids, _ = padded([token_ids[row][prefix.length :] for row in rows], device)
            owners = [number for number, row in enumerate(rows) for _ in options[row]]  # of O options in all
            each = [ids for row in rows for ids in options[row]]
            several = [number for number, ids in enumerate(each) if len(ids) > 1]  # M of them
            last, after = _states(model, prefix, ids, [owners[n] for n in several], [each[n][:-1] for n in several])
            first = torch.tensor([ids[0] for ids in each], device=device)
            scores = _log_probabilities(head, last.to(dtype), torch.tensor(owners, device=device), first)
            if after is not None:
                steps = [(m, t) for m, n in enumerate(several) for t in range(len(each[n]) - 1)]
                option, position = torch.tensor(steps, device=device).T
                tokens = torch.tensor([each[several[m]][t + 1] for m, t in steps], device=device)
                states = after[option, position].to(dtype)  # of all tokens but the first
                terms = _log_probabilities(head, states, torch.arange(len(steps), device=device), tokens)
                scores.index_add_(0, torch.tensor(several, device=device)[option], terms)
            return to_host(scores)

    scores: list[NDArray[np.float64]] = [np.empty(0)] * len(token_ids)
    lengths = [len(ids) - prefix.length for ids in token_ids]
    given = [sum(len(ids) - 1 for ids in mine) for mine in options]
    batches = list(_batches(lengths, budget or TOKEN_BUDGET[device.type], given))
    with parallel_map(device, model.max_workers) as map_:
        for rows, wait in zip(batches, map_(run, batches), strict=True):
            parts = np.split(wait().astype(np.float64), np.cumsum([len(options[row]) for row in rows])[:-1])
            for row, part in zip(rows, parts, strict=True):
                scores[row] = part
            progress(len(rows), sum(len(token_ids[row]) for row in rows))
    for row, part in enumerate(scores):
        if not np.isfinite(part).all():
            which = int(np.flatnonzero(~np.isfinite(part))[0])
            raise ComputationFailed(f"model {model.name!r}: {what} {which} after prompt {row} has a score not finite")
    return scores


def _moved(head: Head, device: "torch.device", dtype: "torch.dtype") -> Head:
    bias = None if head.bias is None else head.bias.to(device, dtype)
    return replace(head, weight=head.weight.to(device, dtype), bias=bias)


def _batches(lengths: Sequence[int], budget: int, following: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows of one length each, longest first, that stay in the budget with the tokens that follow them."""
    for length in sorted(set(lengths), reverse=True):
        batch: list[int] = []
        used = 0
        for row in (row for row, own in enumerate(lengths) if own == length):
            if batch and used + length + following[row] > budget:
                yield batch
                batch, used = [], 0
            batch.append(row)
            used += length + following[row]
        yield batch


def _states(
    model: LanguageModel, prefix: Prefix, ids: "Tensor", owners: Sequence[int], options: Sequence[Sequence[int]]
) -> "tuple[Tensor, Tensor | None]":
    """Return the states of the prompts' last tokens (B, d), and those of M options after their prompts (M, longest, d).

    owners: the prompt of each option.
    """
    import torch

    last, keeps = model.layers, keeps_keys_and_values(model.network)
    # where the model does not keep them there is no prefix either: `shared_prefix`
    states, cache = model.states_and_cache(ids, [last], prefix.for_rows(len(ids)), use_cache=keeps)
    ends = states[last][:, -1]
    if not options:
        return ends, None
    tokens, before = padded(options, ids.device)[0], torch.tensor(owners, device=ids.device)
    if keeps and cache is not None:
        cache.batch_select_indices(before)
        return ends, model.states_and_cache(tokens, [last], cache)[0][last]
    whole = torch.cat([ids[before], tokens], 1)
    return ends, model.states_and_cache(whole, [last], use_cache=False)[0][last][:, ids.shape[1] :]


def _log_probabilities(head: Head, states: "Tensor", owners: "Tensor", tokens: "Tensor") -> "Tensor":
    """Return the log-probabilities of tokens (n,), each after the state of its owner, of states (m, d) in order."""
    import torch

    parts = []
    for start in range(0, len(states), BLOCK):
        mine = (owners >= start) & (owners < start + BLOCK)
        logits = head.logits(states[start : start + BLOCK])  # (≤ BLOCK, V)
        at = owners[mine] - start
        parts.append(logits[at, tokens[mine]] - logits.logsumexp(1)[at])
    return torch.cat(parts)


def score_space(lengths: Sequence[int], words: Sequence[Sequence[int]], *, per_token: bool = False) -> LabelSpace:
    """Return the label space of word scores, so that a method of zero-shot probabilities reads them as it reads states.

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
