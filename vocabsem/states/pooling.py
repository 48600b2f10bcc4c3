"""How a prompt's tokens become one vector: the last one, or weighted sums over tokens.

mean weighs all tokens alike. weighted_mean weighs a token by its position, as a causal model's later tokens saw more
(SGPT; Muennighoff, arXiv 2202.08904). echo lets the model read the prompt twice and takes the mean over the second
reading, whose first tokens saw the whole prompt (Springer et al., arXiv 2402.15449).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from vocabsem.cards.model_card import ModelCard
from vocabsem.errors import DataError
from vocabsem.states.layers import Layer, Pooling, layer_and_pooling

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TOKEN_WEIGHTS", "check_poolings", "reads_twice"]

CAUSAL = ("echo", "weighted_mean")
"""Poolings that are for models whose tokens do not see what follows."""

TOKEN_WEIGHTS: Mapping[Pooling, "Callable[[Tensor, Tensor, Tensor], Tensor]"] = {
    "mean": lambda position, prompt, end: (position < prompt).float(),
    "weighted_mean": lambda position, prompt, end: (position + 1) * (position < prompt).float(),
    "echo": lambda position, prompt, end: ((position >= prompt) & (position < end)).float(),
}
"""Weights (B, T) of tokens at positions (T,), of prompts of (B, 1) tokens, whose second reading ends at (B, 1)."""


def reads_twice(layers: Sequence[Layer], pooling: Pooling) -> bool:
    """Return whether a prompt is read twice.

    Parameters
    ----------
    layers : sequence of int or str
        As `resolve_layers` returns them.
    pooling : {"last", "mean", "weighted_mean", "echo"}
        Of layers that name none.

    Returns
    -------
    bool

    Examples
    --------
    >>> reads_twice(["18:echo", 30], "last")
    True
    """
    return any(layer_and_pooling(layer, pooling)[1] == "echo" for layer in layers)


def check_poolings(layers: Sequence[Layer], pooling: Pooling, card: ModelCard, max_tokens: int) -> None:
    """Refuse poolings that are not for a model, or make its prompts too long.

    Parameters
    ----------
    layers : sequence of int or str
        As `resolve_layers` returns them.
    pooling : {"last", "mean", "weighted_mean", "echo"}
        Of layers that name none.
    card : ModelCard
        The model.
    max_tokens : int
        Longest prompt.

    Raises
    ------
    DataError
        Where the model is not causal, or takes no prompt twice.

    Examples
    --------
    >>> check_poolings(["18:mean", 30], "last", load_card("models", "smollm2-135m"), max_tokens=256)  # doctest: +SKIP
    """
    used = {layer_and_pooling(layer, pooling)[1] for layer in layers}
    if card.family != "causal" and (wrong := sorted(used.intersection(CAUSAL))):
        raise DataError(f"the pooling {wrong[0]!r} is for causal models, and this one is {card.family}: use mean")
    if reads_twice(layers, pooling) and 2 * max_tokens > card.context:
        raise DataError(
            f"echo reads a prompt twice, and max_tokens {max_tokens} twice is over the context of {card.context}: set"
            f" max_tokens to {card.context // 2} or less"
        )
