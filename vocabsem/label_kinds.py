"""What the labels of a data set are to each other."""

from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["HEADLINES", "NAMES", "LabelKind", "headline"]

LabelKind = Literal["nominal", "ordinal", "multi", "choice", "continuous"]
"""nominal: classes without an order; ordinal: classes in order, as they are listed, with equal steps between them;
multi: a text has any number of the labels, also none; choice: the places of options that each row has of its own;
continuous: a number, the labels being the words of two values."""

NAMES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "r2": "R²"}
"""The metrics that data sets are judged by, with their names within a sentence; of each the first that it has."""

HEADLINES = {metric: f"{name[0].upper()}{name[1:]}" for metric, name in NAMES.items()}
"""The same as titles."""


def headline(metrics: Mapping[str, Any]) -> str:
    """Return the name of the metric by which a data set is judged.

    It is macro_f1; accuracy of choices, whose places are no classes; r2 of continuous targets.

    Parameters
    ----------
    metrics : mapping of str to float or None
        The metrics of a method, by name; those that its labels do not have are None.

    Returns
    -------
    str

    Examples
    --------
    >>> headline({"macro_f1": 0.6, "accuracy": 0.7}), headline({"macro_f1": None, "accuracy": 0.7})
    ('macro_f1', 'accuracy')
    """
    return next((name for name in HEADLINES if metrics.get(name) is not None), "macro_f1")
