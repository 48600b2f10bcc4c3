"""The head of a language model, which maps a state to the logits of all tokens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Head", "head_of"]

BLOCK = 1 << 13  # rows of the weight that are converted at a time


@dataclass(frozen=True)
class Head:
    """The language-model head, which maps a state to logits: `cap · tanh(scale · (W h + b) / cap)`.

    Attributes
    ----------
    weight : Tensor of shape (V, d)
        W; as `HeadModel.head` gives it in float32, on the CPU.
    bias : Tensor of shape (V,), float32, or None
        b, on the CPU.
    softcap : float or None
        Final soft-cap, where the model has one.
    scale : float
        Logit multiplier.
    tokens : int
        Rows that belong to the tokenizer; those beyond are padding.
    """

    weight: "Tensor"
    bias: "Tensor | None"
    softcap: float | None
    scale: float
    tokens: int

    def logits(self, states: "Tensor") -> "Tensor":
        """Return the logits of states. A weight of another dtype is converted a block of rows at a time.

        Parameters
        ----------
        states : Tensor of shape (N, d), float32
            States that meet the head.

        Returns
        -------
        Tensor of shape (N, V), float32

        Examples
        --------
        >>> import torch
        >>> Head(torch.eye(2), None, softcap=None, scale=2.0, tokens=2).logits(torch.ones(1, 2)).tolist()
        [[2.0, 2.0]]
        """
        import torch

        rows = len(self.weight) if self.weight.dtype == torch.float32 else BLOCK
        biases = [None] * -(-len(self.weight) // rows) if self.bias is None else self.bias.split(rows)
        products = [
            torch.nn.functional.linear(states, weight.to(states), bias)
            for weight, bias in zip(self.weight.split(rows), biases, strict=True)
        ]
        scores = self.scale * torch.cat(products, dim=-1)
        return scores if self.softcap is None else self.softcap * torch.tanh(scores / self.softcap)


def head_of(weight: "Tensor", bias: "Tensor | None", config: Any, tokens: int) -> Head:
    """Return the head of a configuration, which names its soft-cap and what its logits are multiplied or divided by.

    Parameters
    ----------
    weight : Tensor of shape (V, d)
        W, kept as it is.
    bias : Tensor of shape (V,) or None
        b.
    config : PreTrainedConfig
        Of the model's text part.
    tokens : int
        Of the tokenizer, which may know more than the head has rows.

    Returns
    -------
    Head

    Examples
    --------
    >>> import torch
    >>> from types import SimpleNamespace
    >>> head_of(torch.eye(2), None, SimpleNamespace(logits_scaling=4.0), tokens=3).scale
    0.25
    """
    factor, divisor = (float(getattr(config, name, None) or 1.0) for name in ("logit_scale", "logits_scaling"))
    return Head(
        weight=weight,
        bias=None if bias is None else bias.detach().float().cpu(),
        softcap=getattr(config, "final_logit_softcapping", None),
        scale=factor / divisor,
        tokens=min(tokens, len(weight)),
    )
