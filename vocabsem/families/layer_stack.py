"""The layers of a network, whatever its architecture calls them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["layer_stack"]


def layer_stack(body: Any, depth: int) -> "nn.ModuleList | None":
    """Return the list of modules that a network's layers are.

    Parameters
    ----------
    body : PreTrainedModel
        A network without its head.
    depth : int
        Number of its layers.

    Returns
    -------
    ModuleList or None
        The first list of so many modules, None where there is none.

    Examples
    --------
    >>> len(layer_stack(model.network.base_model, 30))  # doctest: +SKIP
    30
    """
    from torch import nn

    return next((m for m in body.modules() if isinstance(m, nn.ModuleList) and len(m) == depth), None)
