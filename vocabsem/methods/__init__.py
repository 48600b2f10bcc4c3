"""Classifiers over stored states or texts, and their registry. Each is imported when it is first used."""

from importlib import import_module
from typing import Any

from vocabsem.methods.registry import build_method, check_params, load_method, method_info, method_infos

_MODULES = dict(info.target.split(":")[::-1] for info in method_infos().values() if info.family != "adapters")
_MODULES |= {"LabelSpace": "vocabsem.label_space"}
_MODULES |= dict.fromkeys(("Method", "WeightedMethod"), "vocabsem.methods.base")
__all__ = ["build_method", "check_params", "load_method", "method_info", "method_infos"]
__all__ += sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
