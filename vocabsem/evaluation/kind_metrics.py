"""Which metrics there are of which kind of labels."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vocabsem.errors import DataError
from vocabsem.evaluation.continuous_metrics import CONTINUOUS_METRICS, checked_continuous
from vocabsem.evaluation.metrics import METRICS, Floats, Ints, Metric, checked
from vocabsem.evaluation.multilabel_metrics import MULTILABEL_METRICS, checked_multilabel
from vocabsem.evaluation.ordinal_metrics import ORDINAL_METRICS
from vocabsem.label_kinds import LabelKind

__all__ = ["OF_KIND", "checker_and_metrics", "kinds_with", "metric_names"]

OF_KIND: Mapping[LabelKind, Mapping[str, Metric]] = MappingProxyType(
    {
        "nominal": METRICS,
        "ordinal": METRICS | ORDINAL_METRICS,
        "multi": MULTILABEL_METRICS,
        "continuous": CONTINUOUS_METRICS,
        "choice": {name: metric for name, metric in METRICS.items() if name != "macro_f1"},
    }
)
"""Metrics by name, by kind of labels. Choices have no macro_f1: their classes are places, which mean nothing."""
Checker = Callable[[ArrayLike, ArrayLike], tuple[Ints, Floats]]


def metric_names(kind: LabelKind) -> tuple[str, ...]:
    """Return the metrics of data sets whose labels are of a kind.

    Parameters
    ----------
    kind : {"nominal", "ordinal", "multi", "choice", "continuous"}
        Of the labels.

    Returns
    -------
    tuple of str
        Names in `OF_KIND`.

    Examples
    --------
    >>> metric_names("ordinal")
    ('accuracy', 'macro_f1', 'nll', 'ece', 'brier', 'qwk', 'mae')
    """
    return tuple(OF_KIND[kind])


def kinds_with(metric: str) -> tuple[LabelKind, ...]:
    """Return the kinds of labels that have a metric.

    Parameters
    ----------
    metric : str
        Its name; one that is none of `OF_KIND`, such as a time, is of all.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> kinds_with("qwk"), kinds_with("micro_f1")
    (('ordinal',), ('multi',))
    """
    return tuple(kind for kind, metrics in OF_KIND.items() if metric in metrics) or tuple(OF_KIND)


def checker_and_metrics(labels: ArrayLike, names: Any) -> tuple[Checker, dict[str, Metric]]:
    """Return what validates labels and answers of their shape, and metrics of such labels by name.

    Parameters
    ----------
    labels : array-like of shape (N,) or (N, L)
        One class a text as integers, its number as a float, or 1 where it has the label, else 0.
    names : sequence of str
        Of metrics; empty for those of nominal labels, of several labels, or of numbers.

    Returns
    -------
    tuple of callable and dict of str to Metric

    Raises
    ------
    DataError
        For a metric that such labels do not have.

    Examples
    --------
    >>> check, metrics = checker_and_metrics([0, 1], ["accuracy"])
    >>> sorted(metrics)
    ['accuracy']
    """
    kinds: tuple[LabelKind, LabelKind] = ("ordinal", "nominal")
    if np.ndim(labels) == 2:
        kinds = ("multi", "multi")
    elif np.asarray(labels).dtype.kind == "f":
        kinds = ("continuous", "continuous")
    known = OF_KIND[kinds[0]]
    if unknown := set(names) - set(known):
        raise DataError(f"labels {np.shape(labels)} have no metric {min(unknown)!r}, only {', '.join(known)}")
    checkers = {"multi": checked_multilabel, "continuous": checked_continuous}
    return checkers.get(kinds[0], checked), {name: known[name] for name in names or OF_KIND[kinds[1]]}
