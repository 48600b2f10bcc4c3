"""What the labels of a data set are to each other."""

from typing import Literal

__all__ = ["LabelKind"]

LabelKind = Literal["nominal", "ordinal", "multi"]
"""nominal: classes without an order; ordinal: classes in order, as they are listed, with equal steps between them;
multi: a text has any number of the labels, also none."""
