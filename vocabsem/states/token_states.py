"""Extract the hidden states of every token of prompts, rounded to bfloat16.

The last token's state of the last layer is the one that `extraction.extract` gives, and that `check_head` compares with
the model's logits.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vocabsem.runtime.parallel import to_host
from vocabsem.states.batching import not_finite, padded, run_batches

if TYPE_CHECKING:
    from vocabsem.families.causal import LanguageModel

__all__ = ["extract_tokens"]


def extract_tokens(
    model: "LanguageModel",
    token_ids: Sequence[Sequence[int]],
    layers: Sequence[int],
    *,
    budget: int | None = None,
    progress: Callable[[int, int], None] = lambda prompts, tokens: None,
) -> dict[int, np.ndarray]:
    """Compute the hidden states of all tokens of prompts.

    Parameters
    ----------
    model : LanguageModel
        The frozen model.
    token_ids : sequence of sequences of int
        Of N prompts, together of T tokens.
    layers : sequence of int
        0 is the embedding output, the last layer the vector that multiplies the head.
    budget : int, optional
        Most padded tokens of a batch; by default `TOKEN_BUDGET` of the device.
    progress : callable
        Called with the prompts and tokens of each finished batch.

    Returns
    -------
    dict of int to ndarray of shape (T, d), float32
        By layer: a row a token, one prompt after the other, of values that bfloat16 has.

    Raises
    ------
    ComputationFailed
        For a state that is not finite.

    Examples
    --------
    >>> extract_tokens(model, [[1, 2, 3], [4]], layers=[30])[30].shape  # doctest: +SKIP
    (4, 576)
    """
    import torch

    device = model.device
    lengths = [len(ids) for ids in token_ids]
    ends = np.cumsum([0, *lengths])
    states = {layer: np.empty((ends[-1], model.width(layer)), np.float32) for layer in layers}

    def run(rows: list[int]) -> dict[int, Callable[[], np.ndarray]]:
        with torch.inference_mode():
            ids, counts = padded([token_ids[row] for row in rows], device, model.pad)
            real = torch.arange(ids.shape[1], device=device) < counts[:, None]  # (B, T)
            every = model.hidden_states(ids, counts, layers)
            return {layer: to_host(every[layer][real].to(torch.bfloat16).float()) for layer in layers}

    def take(rows: list[int], batch: dict[int, np.ndarray]) -> None:
        tokens = np.concatenate([np.arange(ends[row], ends[row + 1]) for row in rows])
        for layer, vectors in batch.items():
            states[layer][tokens] = vectors
        progress(len(rows), sum(lengths[row] for row in rows))

    run_batches(device, lengths, budget, run, take, model.max_workers)
    for layer, stored in states.items():
        if not np.isfinite(stored).all():
            row = int(np.searchsorted(ends, np.flatnonzero(~np.isfinite(stored).all(axis=1))[0], side="right")) - 1
            raise not_finite(model, f"layer {layer}: a state of prompt {row}")
    return states
