"""The methods by name: those of this package and those of others. Each is imported when it is first used."""

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any

from vocabsem.errors import CardError, suggest
from vocabsem.methods.baselines import BASELINES
from vocabsem.methods.built_in import BUILT_IN
from vocabsem.methods.extensions import from_entry_point, from_file, offered
from vocabsem.methods.info import MethodInfo

__all__ = ["build_adapter", "build_method", "check_params", "load_method", "method_info", "method_infos"]

_INFOS = MappingProxyType({info.name: info for info in (*BUILT_IN, *BASELINES)})


def method_infos() -> Mapping[str, MethodInfo]:
    """Return the methods of this package by name.

    Returns
    -------
    mapping of str to MethodInfo

    Examples
    --------
    >>> "lora" in method_infos()
    True
    """
    return _INFOS


def method_info(name: str) -> MethodInfo:
    """Return what is known of a method.

    Parameters
    ----------
    name : str
        One of this package's, one that an installed package offers (entry points `vocabsem.methods`), or
        `path.py:Class`.

    Returns
    -------
    MethodInfo

    Raises
    ------
    CardError
        An unknown name, with the nearest known one; a class that is no method.

    Examples
    --------
    >>> method_info("ridge").target
    'vocabsem.methods.ridge:RidgeProbe'
    """
    return _find(name)[0]


def load_method(name: str) -> type[Any]:
    """Import the class of a method.

    Parameters
    ----------
    name : str
        As in `method_info`, which raises.

    Returns
    -------
    type
        A subclass of `Method` or of `AdapterTraining`.

    Examples
    --------
    >>> load_method("ridge").__name__
    'RidgeProbe'
    """
    info, cls = _find(name)
    if cls is None:
        module, _, attribute = info.target.partition(":")
        cls = getattr(import_module(module), attribute)
    return cls


def _find(name: str) -> tuple[MethodInfo, type[Any] | None]:
    """Return the info of a method, and the class of one from outside this package, which was imported for it."""
    if name in _INFOS:
        return _INFOS[name], None
    result = from_file(name) if ":" in name else from_entry_point(name)
    if result is None:
        names = sorted({*_INFOS, *offered()})
        raise CardError(f"unknown method {name!r}: {suggest(name, names)}")
    if result[0].name in _INFOS:
        raise CardError(f"method {name}: its name is {result[0].name!r}, as that of a method here: give it another")
    return result


def build_method(name: str, params: Mapping[str, Any], space: Any, random_state: int) -> Any:
    """Return an unfitted estimator over states.

    Parameters
    ----------
    name : str
        As in `method_info`.
    params : mapping
        Parameters that differ from the defaults.
    space : LabelSpace
        The label words.
    random_state : int
        For methods that take one.

    Returns
    -------
    Method

    Raises
    ------
    CardError
        An unknown method, parameter or value.

    Examples
    --------
    >>> build_method("ridge", {"layers": 2}, None, 0)
    RidgeProbe(layers=2)
    """
    check_params(name, params)
    info = method_info(name)
    seeded = {"random_state": random_state} if info.takes_random_state else {}
    return load_method(name)(space, **params, **seeded)


def build_adapter(name: str, params: Mapping[str, Any]) -> Any:
    """Return how an adapter is trained.

    Parameters
    ----------
    name : str
        As in `method_info`.
    params : mapping
        Parameters that differ from the defaults.

    Returns
    -------
    AdapterTraining

    Raises
    ------
    CardError
        An unknown method, parameter or value.

    Examples
    --------
    >>> build_adapter("lora", {"steps": 40}).steps
    40
    """
    check_params(name, params)
    return load_method(name)(**params)


def check_params(name: str, params: Mapping[str, Any]) -> None:
    """Check what a card sets of a method.

    Parameters
    ----------
    name : str
        As in `method_info`.
    params : mapping
        Parameters with their values.

    Raises
    ------
    CardError
        An unknown method, parameter or value, with the nearest known name.

    Examples
    --------
    >>> check_params("k_neighbors", {"n_neighbors": 3})
    """
    info = method_info(name)
    for key, value in params.items():
        if key not in info.params:
            raise CardError(f"unknown parameter {key!r} of method {info.name}: {suggest(key, info.params)}")
        _check_value(f"parameter {key} of method {info.name} is {value!r}", info, key, value)


def _check_value(given: str, info: MethodInfo, key: str, value: Any) -> None:
    default = info.params[key]
    values, kind = [value], type(default)
    if isinstance(default, tuple):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise CardError(f"{given}: expected a list of {type(default[0]).__name__}, one at least")
        values, kind = list(value), type(default[0])
    for each in values:
        if type(each) is not kind and not (kind is float and type(each) is int):
            raise CardError(f"{given}: expected {kind.__name__}")
        if kind in (int, float) and not 0 <= each < math.inf:
            raise CardError(f"{given}: give a finite number, 0 or more")
        if key in info.positive and each == 0:
            raise CardError(f"{given}: give a number above 0")
        if key in info.choices and each not in info.choices[key]:
            raise CardError(f"{given}: choose {', '.join(info.choices[key])}")
