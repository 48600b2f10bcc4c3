"""The names of the families of models."""

from typing import Literal

__all__ = ["ModelFamily"]

ModelFamily = Literal["causal", "masked", "encoder_decoder", "encoder"]
"""causal: predicts the next token; masked: the token at a mask; encoder_decoder: reads a text and writes another;
encoder: a text to a vector, without a vocabulary."""
