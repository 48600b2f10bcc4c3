"""Extract what the attention heads of a causal model give at the last token: the inputs of the output projections.

A layer's vector has its heads one after the other; the projection of the whole is what the attention block adds.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from vocabsem.errors import CardError, GuardFailed
from vocabsem.families.base import TOLERANCE
from vocabsem.families.layer_stack import layer_stack
from vocabsem.runtime.parallel import to_host
from vocabsem.states.batching import not_finite, padded, run_batches
from vocabsem.states.extraction import GUARD_PROMPTS

if TYPE_CHECKING:
    from torch import Tensor

    from vocabsem.families.causal import LanguageModel

__all__ = ["check_heads", "extract_head_outputs", "head_count"]

BLOCKS = ("self_attn", "attn", "attention", "self_attention")  # names of the attention of a layer
PROJECTIONS = ("o_proj", "out_proj", "c_proj", "dense")  # names of its output projection


def head_count(model: "LanguageModel") -> int:
    """Return the number of attention heads of a layer.

    Parameters
    ----------
    model : LanguageModel
        The frozen model.

    Returns
    -------
    int

    Examples
    --------
    >>> head_count(model)  # doctest: +SKIP
    9
    """
    return int(model.network.config.get_text_config().num_attention_heads)


def extract_head_outputs(
    model: "LanguageModel",
    token_ids: Sequence[Sequence[int]],
    layers: Sequence[int],
    *,
    budget: int | None = None,
    progress: Callable[[int, int], None] = lambda prompts, tokens: None,
) -> dict[int, np.ndarray]:
    """Compute the outputs of all heads at the last token of prompts.

    Parameters
    ----------
    model : LanguageModel
        The frozen model.
    token_ids : sequence of sequences of int
        Of N prompts.
    layers : sequence of int
        From 1: the attention of layer l is in the block that makes state l.
    budget : int, optional
        Most padded tokens of a batch; by default `TOKEN_BUDGET` of the device.
    progress : callable
        Called with the prompts and tokens of each finished batch.

    Returns
    -------
    dict of int to ndarray of shape (N, H·r), float32
        By layer: of H heads of size r, one after the other.

    Raises
    ------
    CardError
        For an architecture whose attention has no output projection by a known name.
    ComputationFailed
        For an output that is not finite.

    Examples
    --------
    >>> extract_head_outputs(model, [[1, 2, 3], [4]], layers=[30])[30].shape  # doctest: +SKIP
    (2, 576)
    """
    import torch

    device, outputs = model.device, dict[int, np.ndarray]()
    lengths = [len(ids) for ids in token_ids]

    def run(rows: list[int]) -> dict[int, Callable[[], np.ndarray]]:
        with torch.inference_mode():
            ids, counts = padded([token_ids[row] for row in rows], device, model.pad)
            given = _run(model, ids, counts, layers)
            return {layer: to_host(of[0].float()) for layer, of in given.items()}

    def take(rows: list[int], batch: dict[int, np.ndarray]) -> None:
        for layer, values in batch.items():
            outputs.setdefault(layer, np.empty((len(lengths), values.shape[1]), np.float32))[rows] = values
        progress(len(rows), sum(lengths[row] for row in rows))

    with _attention_kept(model, layers):
        run_batches(device, lengths, budget, run, take, model.max_workers)
    for layer in layers:
        if not np.isfinite(outputs[layer]).all():
            row = int(np.flatnonzero(~np.isfinite(outputs[layer]).all(axis=1))[0])
            raise not_finite(model, f"layer {layer}: a head's output of prompt {row}")
    return {layer: outputs[layer] for layer in layers}


def check_heads(model: "LanguageModel", token_ids: Sequence[Sequence[int]], layers: Sequence[int]) -> float:
    """Check that the projection of the heads' outputs is what the attention block gives, on the first prompts.

    Parameters
    ----------
    model : LanguageModel
        The frozen model.
    token_ids : sequence of sequences of int
        Of the prompts, of which the first four are run.
    layers : sequence of int
        As in `extract_head_outputs`.

    Returns
    -------
    float
        Largest difference, as a share of the largest output of a layer.

    Raises
    ------
    GuardFailed
        Beyond rounding: then the block adds to, or scales, what its projection gives.
    CardError
        For an architecture whose attention has no output projection by a known name.

    Examples
    --------
    >>> check_heads(model, [[1, 2, 3], [4]], [30]) < 5e-4  # doctest: +SKIP
    True
    """
    import torch

    worst = 0.0
    with torch.inference_mode(), _attention_kept(model, layers):
        ids, counts = padded(token_ids[:GUARD_PROMPTS], model.device, model.pad)
        for layer, (heads, block) in _run(model, ids, counts, layers).items():
            projected = _attention(model, layer)[1](heads).float()
            difference = float((projected - block.float()).abs().max() / block.float().abs().max())
            if not difference <= TOLERANCE[model.dtype]:
                raise GuardFailed(
                    f"model {model.name!r}, layer {layer}: the projection of the heads' outputs differs from what the"
                    f" attention block gives by {difference:.2g} of its largest (at most {TOLERANCE[model.dtype]:g} is"
                    f" rounding in {model.dtype}): this architecture adds to it inside of the block, so that its heads"
                    " cannot be read"
                )
            worst = max(worst, difference)
    return worst


_THREAD = threading.local()


def _run(
    model: "LanguageModel", ids: "Tensor", counts: "Tensor", layers: Sequence[int]
) -> "dict[int, tuple[Tensor, Tensor]]":
    """Return of each layer what its projection is given (B, H·r) and what its block gives (B, d), at last tokens."""
    _THREAD.given, _THREAD.block = {}, {}
    model.hidden_states(ids, counts, [max(layers)])
    return {
        layer: (
            model.at_answer(_THREAD.given[layer], ids, counts),
            model.at_answer(_THREAD.block[layer], ids, counts),
        )
        for layer in layers
    }


@contextmanager
def _attention_kept(model: "LanguageModel", layers: Sequence[int]) -> "Iterator[None]":
    """Let `_run` see the attention of layers."""

    def keep(layer: int) -> "tuple[Callable[..., None], Callable[..., None]]":
        def given(module: Any, inputs: tuple["Tensor", ...]) -> None:
            _THREAD.given[layer] = inputs[0]

        def block(module: Any, inputs: Any, output: Any) -> None:
            _THREAD.block[layer] = output[0] if isinstance(output, tuple) else output

        return given, block

    hooks = []
    try:
        for layer in layers:
            attention, projection = _attention(model, layer)
            before, after = keep(layer)
            hooks += [projection.register_forward_pre_hook(before), attention.register_forward_hook(after)]
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _attention(model: "LanguageModel", layer: int) -> tuple[Any, Any]:
    """Return the attention block of a layer and its output projection."""
    blocks = layer_stack(model.network.base_model, model.layers)
    parts: Mapping[str, Any] = dict(blocks[layer - 1].named_modules()) if blocks is not None else {}
    names = (f"{block}.{projection}" for block in BLOCKS for projection in PROJECTIONS)
    # GPT-Neo and its like have the attention itself one module deeper
    deeper = (f"attn.attention.{projection}" for projection in PROJECTIONS)
    path = next((name for name in (*names, *deeper) if name in parts), None)
    if path is None:
        raise CardError(
            f"model {model.name!r}: its attention has no output projection named {', '.join(PROJECTIONS)}: its heads"
            " cannot be read"
        )
    return parts[path.rpartition(".")[0]], parts[path]
