"""The names of the families of models."""

from typing import Literal

__all__ = ["ModelFamily"]

ModelFamily = Literal["causal", "masked", "encoder"]
"""causal: predicts the next token; masked: the token at a mask; encoder: a text to a vector, without a vocabulary."""
