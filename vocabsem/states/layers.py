"""Which hidden states are meant: layers, and what of a prompt's tokens each is taken from."""

import re
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from vocabsem.errors import DataError

__all__ = ["GivenLayer", "Layer", "Pooling", "column_of", "layer_and_pooling", "resolve_layers", "share_run"]

Pooling = Literal["last", "mean", "weighted_mean", "echo"]
Layer = int | str
"""18: a layer whose pooling is that of the whole extraction; "18:mean", "18:last": one with a pooling of its own."""
GivenLayer = int | float | str
"""A layer as a card gives it: also counted from the last, as a share of the depth, or "last"; with a pooling or not."""
FORM = re.compile(rf"(?P<layer>last|-?\d+|0?\.\d+|1\.0)(:(?P<pooling>{'|'.join(get_args(Pooling))}))?")


def resolve_layers(layers: Sequence[GivenLayer], depth: int, pooling: Pooling = "last") -> list[Layer]:
    """Return the layers by number, each once, ascending; those of last tokens come after all others.

    So the last token of the last layer, the state that the vocabulary is compared with, always comes last.

    Parameters
    ----------
    layers : sequence of int, float or str
        A number (negative ones count from the last layer, as in a Python list), a share of the depth (0.6), or "last";
        each may name its pooling, as in "last:mean".
    depth : int
        Number of the last layer, which meets the head; 0 is the embedding.
    pooling : {"last", "mean", "weighted_mean", "echo"}
        Of layers that name none.

    Returns
    -------
    list of int or str
        A number where the pooling is `pooling`, else as "18:mean".

    Raises
    ------
    DataError
        For anything but a sequence of such layers, none, or one out of range.

    Examples
    --------
    >>> resolve_layers(["last", 0, -2], depth=12)
    [0, 11, 12]
    >>> resolve_layers([0.5, "0.5:mean", "last"], depth=12)
    ['6:mean', 6, 12]
    """
    known = isinstance(layers, Sequence) and not isinstance(layers, str)
    given = [_parse(layer, depth) for layer in layers] if known else []
    if not known or None in given:
        raise DataError(
            f"layers is {layers!r:.200}: give a list of numbers, shares of the depth below 1, or 'last', each with its"
            " pooling or not, as in [18, '0.8:mean', 'last']"
        )
    numbers = {(how or pooling, number) for number, how in filter(None, given)}
    if not numbers or not all(0 <= number <= depth for _, number in numbers):
        raise DataError(f"layers {list(layers)}: the model has layers 0 (embedding) to {depth} (meets the head)")
    ordered = sorted(numbers, key=lambda each: (each[0] == "last", each[1], each[0]))
    return [number if how == pooling else f"{number}:{how}" for how, number in ordered]


def _parse(layer: object, depth: int) -> tuple[int, Pooling | None] | None:
    """Return number and pooling of a layer, None where it is not one."""
    match = FORM.fullmatch(str(layer)) if isinstance(layer, int | float | str | np.integer) else None
    if match is None or isinstance(layer, bool):
        return None
    name, pooling = match["layer"], next((each for each in get_args(Pooling) if each == match["pooling"]), None)
    if name == "last":
        return depth, pooling
    if "." in name:
        return round(float(name) * depth), pooling
    return int(name) + (depth + 1 if name.startswith("-") else 0), pooling


def layer_and_pooling(layer: Layer, pooling: Pooling = "last") -> tuple[int, Pooling]:
    """Return the number of a resolved layer and how its tokens are pooled.

    Parameters
    ----------
    layer : int or str
        One of `resolve_layers`.
    pooling : {"last", "mean", "weighted_mean", "echo"}
        Of a layer that names none.

    Returns
    -------
    tuple of int and the name of a pooling

    Examples
    --------
    >>> layer_and_pooling("18:mean"), layer_and_pooling(30)
    ((18, 'mean'), (30, 'last'))
    """
    if isinstance(layer, int):
        return layer, pooling
    number, _, how = layer.partition(":")
    return int(number), next(each for each in get_args(Pooling) if each == how)


def share_run(layers: Sequence[Layer], depth: int) -> float:
    """Return the share of a causal model's layers that runs for the states of some, which end at the last of them.

    Parameters
    ----------
    layers : sequence of int or str
        Of `resolve_layers`.
    depth : int
        Number of the last layer.

    Returns
    -------
    float

    Examples
    --------
    >>> share_run([0, "3:mean"], depth=12), share_run([12], depth=12)
    (0.25, 1.0)
    """
    return max(1, *(layer_and_pooling(layer)[0] for layer in layers)) / depth


def column_of(layer: Layer) -> str:
    """Return the name of a layer's column, layer_18 or layer_18_mean.

    Parameters
    ----------
    layer : int or str
        One of `resolve_layers`.

    Returns
    -------
    str
    """
    return f"layer_{layer}".replace(":", "_")
