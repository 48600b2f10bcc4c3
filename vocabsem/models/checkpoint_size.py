"""Refuse a configuration with far more weights than its files hold, before memory is allocated."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING

from vocabsem.errors import SourceError
from vocabsem.models.checkpoint_files import SafeFolder

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["no_larger_than"]

SLACK = 1 << 26  # numbers that are computed, not stored: masks, tables of rotary positions; 256 MiB


@contextmanager
def no_larger_than(folder: Path, checkpoint: SafeFolder) -> Iterator[None]:
    """Stop a model whose configuration needs more than its files hold, before its modules have memory.

    transformers first makes them on the meta device; that alone takes minutes where there are thousands.

    Parameters
    ----------
    folder : Path
        Named in the error.
    checkpoint : SafeFolder
        Whose weights are counted.

    Raises
    ------
    SourceError
        As soon as it needs more.
    """
    from torch.nn.modules.module import (
        register_module_buffer_registration_hook,
        register_module_parameter_registration_hook,
    )

    thread, tensors, elements = get_ident(), 0, 0

    def count(module: object, name: str, tensor: "Tensor | None") -> None:
        nonlocal tensors, elements
        if get_ident() == thread and tensor is not None and tensor.device.type == "meta":
            tensors, elements = tensors + 1, elements + tensor.numel()
            if tensors > 4 * checkpoint.tensors + 500 or elements > 2 * checkpoint.elements + SLACK:
                raise SourceError(
                    f"the configuration of {folder} asks for {tensors:,} tensors of {elements:,} numbers or more, its"
                    f" weights are {checkpoint.tensors:,} of {checkpoint.elements:,}: fix it, or fetch both again"
                )

    hooks = [register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
