"""What every attention head of a model can write of a word: its value and output matrices, from weights alone.

The input of a head is that of its layer's norm given the embedding after the MLP of the first layer, without attention
(the effective embedding of Gould et al., Successor Heads, 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vocabsem.families.causal import LanguageModel

__all__ = ["HeadCircuits", "head_circuits"]

Floats = NDArray[np.float32]
CHILDREN = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}  # of a layer that is read


@dataclass(frozen=True, eq=False)
class HeadCircuits:
    """N words as L layers of H heads of size r read and write them.

    Attributes
    ----------
    inputs : ndarray of shape (L, N, d)
        What the heads of a layer are given.
    values : ndarray of shape (L, H, r, d)
        Value matrices; heads that share keys and values have the same.
    outputs : ndarray of shape (L, H, d, r)
        Output matrices.
    readers : ndarray of shape (N, d)
        Head rows of the words times the gain of the final norm.
    """

    inputs: Floats
    values: Floats
    outputs: Floats
    readers: Floats


def head_circuits(model: LanguageModel, tokens: Sequence[int]) -> HeadCircuits | None:
    """Return what the heads of a model write of single tokens; biases are left out.

    Parameters
    ----------
    model : LanguageModel
        The frozen model.
    tokens : sequence of int
        Of N words.

    Returns
    -------
    HeadCircuits or None
        None for an architecture that is not built as Llama, Qwen2, Mistral and their like are.
    """
    body: Any = model.network.base_model
    layers = list(getattr(body, "layers", []))
    if not layers or not all(_known(layer) for layer in layers) or not hasattr(body, "norm"):
        return None
    with torch.inference_mode():
        effective = _effective_embeddings(body, layers[0], torch.tensor(tokens, device=model.device))
        inputs = [layer.input_layernorm(effective) for layer in layers]
        gain = body.norm(torch.eye(effective.shape[1], dtype=effective.dtype, device=effective.device)).diagonal()
        readers = model.network.get_output_embeddings().weight[list(tokens)].float() * gain.float()
        circuits = [_circuits(layer.self_attn) for layer in layers]
        return HeadCircuits(
            inputs=_array(inputs),
            values=_array([value for value, _ in circuits]),
            outputs=_array([output for _, output in circuits]),
            readers=_array(list(readers)),
        )


def _known(layer: Any) -> bool:
    attention = getattr(layer, "self_attn", None)
    return {name for name, _ in layer.named_children()} == CHILDREN and all(
        hasattr(attention, name) for name in ("v_proj", "o_proj", "head_dim")
    )


def _effective_embeddings(body: Any, first: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Return the states (N, d) after the first layer, whose attention writes nothing."""

    def silence(module: Any, given: Any, output: Any) -> Any:
        return (torch.zeros_like(output[0]), *output[1:])

    hook = first.self_attn.register_forward_hook(silence)
    try:
        states: torch.Tensor = body(tokens[:, None], use_cache=False, output_hidden_states=True).hidden_states[1][:, 0]
        return states
    finally:
        hook.remove()


def _circuits(attention: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return value (H, r, d) and output (H, d, r) matrices."""
    size = attention.head_dim
    output = attention.o_proj.weight.unflatten(1, (-1, size)).transpose(0, 1)
    value = attention.v_proj.weight.unflatten(0, (-1, size))
    return value.repeat_interleave(len(output) // len(value), dim=0), output


def _array(tensors: Sequence[torch.Tensor]) -> Floats:
    stacked: Floats = torch.stack(list(tensors)).float().cpu().numpy()
    return stacked
