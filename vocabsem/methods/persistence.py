"""A fitted method as named arrays and plain JSON values, and back; nothing of it is code.

Every attribute that `fit` learned ends in `_` (scikit-learn's rule), is annotated in its class, and is an array, a dict
of arrays or a JSON value. The label space is stored without its vocabulary, which no prediction needs.
"""

from dataclasses import fields
from inspect import get_annotations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import CardError, DataError
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method
from vocabsem.methods.registry import load_method

__all__ = ["Arrays", "from_arrays", "to_arrays"]

Arrays = dict[str, NDArray[Any]]
FIX = "fit it again with this version, and store it with to_arrays"


def to_arrays(estimator: Method) -> tuple[Arrays, dict[str, Any]]:
    """Return arrays (contiguous, named `space.*` and `learned.*`) and JSON-able {method, params, space, learned}.

    Parameters
    ----------
    estimator : Method
        A fitted method with a label space.

    Returns
    -------
    tuple of dict
        Arrays and metadata.

    Raises
    ------
    DataError
        An estimator that is not fitted, has no label space, or learned an attribute that its class does not annotate.

    Examples
    --------
    >>> from vocabsem.methods import ZeroShot
    >>> space = LabelSpace(np.eye(2), np.eye(2), np.zeros(2))
    >>> arrays, metadata = to_arrays(ZeroShot(space).fit(np.eye(2)))
    >>> sorted(arrays), metadata["method"]
    (['learned.classes_', 'space.anchors', 'space.bias', 'space.head'], 'zero_shot')
    """
    if not hasattr(estimator, "classes_"):
        raise DataError(f"{estimator.name} is not fitted: call fit before storing it")
    if estimator._alone:
        raise DataError(f"{estimator.name} has no label space, which is stored with it: fit it with one")
    arrays: Arrays = {}
    space: dict[str, Any] = {}
    learned: dict[str, Any] = {}
    for name in (field.name for field in fields(LabelSpace) if field.name != "vocabulary"):
        _put(arrays, space, f"space.{name}", name, getattr(estimator.space, name))
    annotated = _annotated(type(estimator))
    for name, value in vars(estimator).items():
        if name.endswith("_"):
            if name not in annotated:
                raise DataError(f"{estimator.name} learns {name!r}, not annotated in its class: add {name}: TYPE")
            _put(arrays, learned, f"learned.{name}", name, value)
    params = {name: value for name, value in estimator.get_params(deep=False).items() if name != "space"}
    return arrays, {"method": estimator.name, "params": params, "space": space, "learned": learned}


def _annotated(method: type[Method]) -> set[str]:
    """Return the attributes that a method learns."""
    return {name for kind in method.__mro__ for name in get_annotations(kind) if name.endswith("_")}


def _put(arrays: Arrays, plain: dict[str, Any], key: str, name: str, value: Any) -> None:
    if isinstance(value, np.ndarray):
        arrays[key] = np.ascontiguousarray(value)
    elif isinstance(value, dict):
        arrays.update({f"{key}/{part}": np.ascontiguousarray(array) for part, array in value.items()})
    else:
        plain[name] = value


def from_arrays(arrays: Arrays, metadata: dict[str, Any], source: Path | None = None) -> Method:
    """Return the fitted estimator that `to_arrays` described; its predictions are identical to the bit.

    Parameters
    ----------
    arrays, metadata : dict
        What `to_arrays` returned.
    source : Path, optional
        The file of its class, where the method is one from beside a card; its code is run.

    Returns
    -------
    Method

    Raises
    ------
    DataError
        What `to_arrays` did not write: a method, parameter or attribute that there is not, an attribute that `fit`
        learns and that is missing, or parts that do not fit together.

    Examples
    --------
    >>> from vocabsem.methods import ZeroShot
    >>> space = LabelSpace(np.eye(2), np.eye(2), np.zeros(2))
    >>> fitted = ZeroShot(space).fit(np.eye(2))
    >>> from_arrays(*to_arrays(fitted)).predict(np.eye(2))
    array([0, 1])
    """
    try:
        method: type[Method] = load_method(f"{source}:{metadata['method']}" if source else metadata["method"])
        space = LabelSpace(**_group(arrays, "space."), **metadata["space"])
        estimator = method(space, **metadata["params"])
        learned = _group(arrays, "learned.") | metadata["learned"]
    except (CardError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"stored method cannot be read: {error!r}: {FIX}") from error
    expected = _annotated(method)
    if missing := sorted(expected - learned.keys()):
        raise DataError(f"stored {method.name} lacks {', '.join(missing)}: {FIX}")
    if unknown := sorted(learned.keys() - expected):
        raise DataError(f"stored {method.name} holds {unknown[0]!r}, which fit does not learn: {FIX}")
    for name, value in learned.items():
        setattr(estimator, name, value)
    try:
        estimator.predict(np.zeros((1, estimator.n_features_in_), np.float32))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise DataError(f"stored {method.name} cannot predict: {error!r}: {FIX}") from error
    return estimator


def _group(arrays: Arrays, prefix: str) -> dict[str, Any]:
    grouped: dict[str, Any] = {}
    for key, array in arrays.items():
        if key.startswith(prefix):
            name, slash, part = key.removeprefix(prefix).partition("/")
            if slash:
                grouped.setdefault(name, {})[part] = array
            else:
                grouped[name] = array
    return grouped
