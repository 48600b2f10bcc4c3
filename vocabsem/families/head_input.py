"""What a head is given: the states that it multiplies, whatever an architecture makes of them before."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["head_inputs", "record_head_inputs"]

_THREAD = threading.local()


def record_head_inputs(head: Any) -> None:
    """Let `head_inputs` see what a head is given.

    Parameters
    ----------
    head : Module
        The last product of a network.
    """
    head.register_forward_pre_hook(_keep)


@contextmanager
def head_inputs() -> "Iterator[list[Tensor]]":
    """Give the list to which what heads are given in this thread is added; they compute nothing meanwhile.

    Yields
    ------
    list of Tensor of shape (B, T, d)
    """
    _THREAD.given = []
    try:
        yield _THREAD.given
    finally:
        _THREAD.given = None


def _keep(module: Any, inputs: Any) -> Any:
    given = getattr(_THREAD, "given", None)
    if given is None:
        return None
    given.append(inputs[0])
    return (inputs[0][:, :0],)  # no token: its logits of the whole vocabulary are not wanted
