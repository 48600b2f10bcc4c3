"""What the labels of a data set are to each other."""

from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["LabelKind", "headline"]

LabelKind = Literal["nominal", "ordinal", "multi", "choice"]
"""nominal: classes without an order; ordinal: classes in order, as they are listed, with equal steps between them;
multi: a text has any number of the labels, also none; choice: the places of options that each row has of its own."""


def headline(figures: Mapping[str, Any]) -> str:
    """Return the name of the metric by which a data set is judged: accuracy of choices, whose places are no classes.

    Parameters
    ----------
    figures : mapping of str to float or None
        The metrics of a method, by name; of choices macro_f1 is None.

    Returns
    -------
    str

    Examples
    --------
    >>> headline({"macro_f1": 0.6, "accuracy": 0.7}), headline({"macro_f1": None, "accuracy": 0.7})
    ('macro_f1', 'accuracy')
    """
    return "accuracy" if figures.get("macro_f1") is None and figures.get("accuracy") is not None else "macro_f1"
