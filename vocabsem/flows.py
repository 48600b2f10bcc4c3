"""The flows by name, for prefect.yaml: `vocabsem.flows:pipeline` is found wherever the package is installed."""

from importlib import import_module
from typing import Any

from vocabsem.installation import ROOT, put_root_on_path

__all__: list[str] = []

_FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("[a-z]*.py"))


def __getattr__(name: str) -> Any:
    if name not in _FLOWS:
        raise AttributeError(f"module {__name__!r} has no flow {name!r}: there are {', '.join(_FLOWS)}")
    put_root_on_path()
    return getattr(import_module(f"flows.{name}"), name)
