"""Sums over blocks of a head's rows: files beside the parts of its anchors, until these are published.

Any process of any machine makes and reads them, and a run that was killed finds those that it finished.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tasks.steps.shards import Span
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.intermediate import discard
from warehouse.lake.partition import Lake

Sum = Literal["total", "gram", "whitened"]
"""Of the rows; of their products, and of rows times biases; of the products of whitened rows."""
SUMS: tuple[Sum, ...] = ("total", "gram", "whitened")
WHITEN, INVERSE = "whiten.safetensors", "inverse.safetensors"


def sum_name(what: Sum, span: Span) -> str:
    return f"{what}-{span[0]:08d}-{span[1]:08d}.safetensors"


def finished(home: Home, step: Step[AnchorsSpec], name: str) -> bool:
    """Whether a file was written whole."""
    return step.partition(Lake(home)).finished(name) is not None


def write(
    home: Home,
    step: Step[AnchorsSpec],
    name: str,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write tensors, and texts about them, as one file."""
    kept = {each: tensor.cpu().contiguous() for each, tensor in tensors.items()}
    step.partition(Lake(home)).write_bytes(name, save(kept, dict(facts or {})))


def read(home: Home, step: Step[AnchorsSpec], name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file that is finished, and the texts. Raises RuntimeError where it is not."""
    partition = step.partition(Lake(home))
    if (entry := partition.finished(name)) is None:
        raise RuntimeError(f"{partition.path / name} vanished while the run was going: run it again")
    with safe_open(partition.written(entry), "pt") as file:
        return {each: file.get_tensor(each) for each in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def add_up(home: Home, step: Step[AnchorsSpec], what: Sum, spans: Iterable[Span]) -> dict[str, Tensor]:
    """Return the sum of what the blocks have, added in their order: the same bytes whoever computed them."""
    sums: dict[str, Tensor] = {}
    for span in spans:
        for name, tensor in read(home, step, sum_name(what, span))[0].items():
            sums[name] = sums[name].add_(tensor) if name in sums else tensor
    return sums


def discard_sums(home: Home, step: Step[AnchorsSpec], spans: Iterable[Span]) -> None:
    """Remove all of it."""
    names = [sum_name(what, span) for span in spans for what in SUMS]
    discard(step.partition(Lake(home)), [*names, WHITEN, INVERSE])
