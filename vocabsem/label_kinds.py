"""What the labels of a data set are to each other."""

from typing import Literal

__all__ = ["LabelKind"]

LabelKind = Literal["nominal", "ordinal", "choice"]
"""nominal: classes without an order; ordinal: classes in order, as they are listed, with equal steps between them;
choice: the places of options that each row has of its own."""
