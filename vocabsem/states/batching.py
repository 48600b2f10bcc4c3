"""Group prompts into batches within a budget of tokens, pad them, and run them."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from vocabsem.errors import ComputationFailed
from vocabsem.families.base import FrozenModel
from vocabsem.runtime.parallel import MAX_WORKERS, parallel_map, workers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["TOKEN_BUDGET", "even_batches", "not_finite", "padded", "run_batches", "shared_tokens", "token_batches"]

TOKEN_BUDGET = {"cpu": 1024, "cuda": 16384}  # padded tokens a batch; larger ones fall out of the processor's cache

L = TypeVar("L", bound=int | str)


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield batches of indices, longest first, so that rows × longest ≤ `budget` (or one row) in every batch.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each prompt.
    budget : int
        Most padded tokens of a batch.

    Yields
    ------
    list of int

    Examples
    --------
    >>> list(token_batches([1, 4, 2], budget=4))
    [[1], [2, 0]]
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    start = 0
    while start < len(order):
        rows = max(1, budget // lengths[order[start]])
        yield order[start : start + rows]
        start += rows


def even_batches(lengths: Sequence[int], budget: int, cores: int) -> list[list[int]]:
    """Return batches of similar size within the budget, equally many for each core, so that none waits at the end.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each prompt.
    budget : int
        Most padded tokens of a batch.
    cores : int
        Batches that run at a time.

    Returns
    -------
    list of list of int

    Examples
    --------
    >>> even_batches([2, 2, 2, 2], budget=100, cores=2)
    [[0, 1], [2, 3]]
    """
    full = list(token_batches(lengths, budget))
    most = -(-len(full) // cores) * cores
    share = sum(len(batch) * lengths[batch[0]] for batch in full) // max(most, 1)
    while share < budget:
        batches = list(token_batches(lengths, share))
        if len(batches) <= most:
            return batches
        share += share // 64 + 1
    return full


def shared_tokens(token_ids: Sequence[Sequence[int]]) -> list[int]:
    """Return the longest common prefix of all prompts that leaves each of them a token of its own.

    Parameters
    ----------
    token_ids : sequence of sequences of int
        Of all prompts.

    Returns
    -------
    list of int

    Examples
    --------
    >>> shared_tokens([[1, 2, 3], [1, 2, 4]])
    [1, 2]
    """
    together = itertools.takewhile(lambda tokens: len(set(tokens)) == 1, zip(*token_ids, strict=False))
    shared = [tokens[0] for tokens in together]
    return shared[: min(map(len, token_ids), default=1) - 1]


def padded(prompts: Sequence[Sequence[int]], device: "torch.device", pad: int = 0) -> "tuple[Tensor, Tensor]":
    """Return token ids (B, T), padded on the right, and their lengths (B,).

    Parameters
    ----------
    prompts : sequence of sequences of int
        Token ids of B prompts.
    device : torch.device
        Where the ids lie; the lengths lie there too.
    pad : int
        Token id that fills up.

    Returns
    -------
    ids : Tensor of shape (B, T), int64
    lengths : Tensor of shape (B,), int64

    Examples
    --------
    >>> import torch
    >>> padded([[5], [6, 7]], torch.device("cpu"))[0].tolist()
    [[5, 0], [6, 7]]
    """
    import torch

    lengths = torch.tensor([len(prompt) for prompt in prompts])
    ids = torch.full((len(prompts), int(lengths.max())), pad)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    return ids.to(device), lengths.to(device)


def run_batches(
    device: "torch.device",
    lengths: Sequence[int],
    budget: int | None,
    run: Callable[[list[int]], Mapping[L, Callable[[], np.ndarray]]],
    take: Callable[[list[int], dict[L, np.ndarray]], None],
    max_workers: int = MAX_WORKERS,
) -> None:
    """Run prompts in batches of similar size, as many at a time as there are workers.

    Parameters
    ----------
    device : torch.device
        Where the model computes.
    lengths : sequence of int
        Tokens of each prompt.
    budget : int, optional
        Most padded tokens of a batch; by default `TOKEN_BUDGET` of the device.
    run : callable
        From the rows of a batch to arrays by layer, which may still be on their way to the host (`to_host`).
    take : callable
        Given the rows of each batch and its arrays, batch after batch, in one thread.
    max_workers : int
        Most batches at a time, as of the model.

    Examples
    --------
    >>> import torch
    >>> run = lambda rows: {0: lambda: np.array(rows)}
    >>> run_batches(torch.device("cpu"), [2, 1], 2, run, lambda rows, arrays: print(rows, arrays[0]))
    [0] [0]
    [1] [1]
    """
    batches = even_batches(lengths, budget or TOKEN_BUDGET[device.type], workers(device, max_workers))
    with parallel_map(device, max_workers) as map_:
        for rows, copies in zip(batches, map_(run, batches), strict=True):
            take(rows, {layer: wait() for layer, wait in copies.items()})


def not_finite(model: FrozenModel, where: str) -> ComputationFailed:
    """Return the error of numbers that are not finite, with what to do about them.

    Parameters
    ----------
    model : FrozenModel
        That computed them.
    where : str
        Layer and prompt.

    Returns
    -------
    ComputationFailed

    Examples
    --------
    >>> print(not_finite(model, "layer 3: the state of prompt 0"))  # doctest: +SKIP
    model 'tiny', layer 3: the state of prompt 0 is not finite in bfloat16: use dtype float32
    """
    advice = "" if model.dtype == "float32" else ": use dtype float32"
    return ComputationFailed(f"model {model.name!r}, {where} is not finite in {model.dtype}{advice}")
