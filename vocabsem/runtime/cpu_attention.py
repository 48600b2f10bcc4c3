"""Causal attention on a CPU in two matrix products per group of heads, for transformers' attention interface.

Nothing here changes a result beyond rounding.
"""

from typing import TYPE_CHECKING, Any

from vocabsem.runtime.malloc import keep_freed_memory

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

__all__ = ["NAME", "causal_attention", "use_fast_attention"]

NAME = "vocabsem_cpu"
SHORT_KEYS = 128  # up to here a softmax in float32 is faster: bfloat16's falls back to single numbers at row ends
MAX_DENSE_TOKENS = 1024  # beyond, the scores of all pairs would take too much memory; up to there they are the faster


def use_fast_attention(network: "PreTrainedModel") -> None:
    """Give a model on a CPU the attention of this module, where its own is plain causal attention.

    Parameters
    ----------
    network : PreTrainedModel
        Changed in place; left as it is where it has windows, a soft-cap, or another implementation than sdpa.

    Examples
    --------
    >>> use_fast_attention(model.network)  # doctest: +SKIP
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    keep_freed_memory()
    config = network.config.get_text_config()
    windowed = getattr(config, "sliding_window", None) or getattr(config, "attn_logit_softcapping", None)
    if getattr(config, "num_key_value_heads", None) and not windowed and network.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, causal_attention)
        AttentionMaskInterface.register(NAME, lambda *_, **__: None)  # it knows its mask: causal, padding on the right
        network.set_attn_implementation(NAME)


def causal_attention(
    module: Any, query: "Tensor", key: "Tensor", value: "Tensor", mask: None, scaling: float, **kwargs: Any
) -> "tuple[Tensor, None]":
    """Compute causal attention of the last T of S tokens, as transformers' attention interface calls it.

    The H/G heads that share a key stand below each other, so that no key is copied; two products a group, and the mask
    is what the first adds to.

    Parameters
    ----------
    module : Module
        Not used.
    query : Tensor of shape (B, H, T, e)
        Queries of H heads of size e.
    key, value : Tensor of shape (B, G, S, e)
        Keys and values of G groups, G a divisor of H.
    mask : None
        Not used: the mask is causal, and padding stands on the right.
    scaling : float
        Factor of the scores.
    **kwargs
        Not used.

    Returns
    -------
    output : Tensor of shape (B, T, H, e)
    weights : None

    Examples
    --------
    >>> import torch
    >>> from types import SimpleNamespace
    >>> query, key, value = torch.randn(3, 1, 2, 5, 4).unbind()
    >>> module = SimpleNamespace(num_key_value_groups=1, training=False)
    >>> output, weights = causal_attention(module, query, key, value, None, scaling=0.5)
    >>> tuple(output.shape)
    (1, 5, 2, 4)
    """
    import torch

    (rows, heads, length, size), (groups, total) = query.shape, key.shape[1:3]
    if length == total > MAX_DENSE_TOKENS:
        output = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scaling, enable_gqa=heads != groups
        )
        return output.transpose(1, 2).contiguous(), None
    later = torch.full((length, total), float("-inf"), dtype=query.dtype, device=query.device).triu(total - length + 1)
    stacked = query.reshape(rows * groups, -1, size)  # (B·G, H/G·T, e)
    scores = torch.baddbmm(
        later.repeat(heads // groups, 1), stacked, key.reshape(rows * groups, total, size).mT, alpha=scaling
    )
    dtype = torch.float32 if total < SHORT_KEYS else None
    weights = scores.softmax(-1, dtype=dtype).to(query.dtype)
    output = torch.bmm(weights, value.reshape(rows * groups, total, size))
    return output.view(rows, heads, length, size).transpose(1, 2).contiguous(), None
