"""States of inner layers are what a layer is given: they are kept on the way, and layers after the last are not run."""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vocabsem.families.layer_stack import layer_stack

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["gives_states", "layer_inputs"]

_THREAD = threading.local()
_LOCK = threading.Lock()
_KNOWN: "WeakKeyDictionary[Any, bool]" = WeakKeyDictionary()


class _Reached(Exception):
    """Nothing of the run is wanted any more."""


def gives_states(body: Any, depth: int) -> bool:
    """Let `layer_inputs` see what the layers of a body are given, and return whether these are its hidden states.

    Parameters
    ----------
    body : PreTrainedModel
        A network without its head.
    depth : int
        Number of its layers.

    Returns
    -------
    bool
        False where the layers are not one list of modules, or are given something else.

    Examples
    --------
    >>> gives_states(model.network.base_model, model.layers)  # doctest: +SKIP
    True
    """
    with _LOCK:
        if body not in _KNOWN:
            _KNOWN[body] = _hooked(body, depth)
        return _KNOWN[body]


@contextmanager
def layer_inputs(numbers: Collection[int]) -> "Iterator[Mapping[int, Tensor]]":
    """Give the mapping to which what layers are given in this thread is added; runs end before the last one computes.

    Parameters
    ----------
    numbers : collection of int
        Of the layers, at least one, from 0.

    Yields
    ------
    mapping of int to Tensor of shape (B, T, d)
    """
    _THREAD.wanted, _THREAD.given = frozenset(numbers), {}
    try:
        yield _THREAD.given
    except _Reached:
        pass
    finally:
        _THREAD.wanted = frozenset()


def _hooked(body: Any, depth: int) -> bool:
    import torch

    if (layers := layer_stack(body, depth)) is None:
        return False
    for number, layer in enumerate(layers):
        layer.register_forward_pre_hook(_keep(number), with_kwargs=True)
    ids = torch.arange(3, device="cpu" if body.device.type == "meta" else body.device)[None]  # accelerate moves them
    with torch.inference_mode():
        states = body(ids, use_cache=False, output_hidden_states=True).hidden_states[:depth]
        with layer_inputs(range(depth)) as given:
            body(ids, use_cache=False)
    return len(given) == depth and all(torch.equal(given[number], each) for number, each in enumerate(states))


def _keep(number: int) -> Any:
    def hook(module: Any, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        wanted: frozenset[int] = getattr(_THREAD, "wanted", frozenset())
        if number in wanted:
            _THREAD.given[number] = inputs[0] if inputs else named["hidden_states"]
            if number == max(wanted):
                raise _Reached

    return hook
