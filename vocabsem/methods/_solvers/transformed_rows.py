"""Rows that are more than one holds in float64: transformed where they are read."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats
from vocabsem.blocks import block_slices


class StackedRows:
    """The rows of one array (N, d), then those of another (M, d), without a copy of both."""

    def __init__(self, first: Floats, second: Floats) -> None:
        self.parts = first, second
        self.shape = len(first) + len(second), first.shape[1]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, rows: slice) -> Floats:
        start, stop, _ = rows.indices(len(self))
        first, second = self.parts
        border = len(first)
        inside = first[start:stop], second[max(0, start - border) : max(0, stop - border)]
        return inside[0] if stop <= border else inside[1] if start >= border else np.concatenate(inside)


class TransformedRows:
    """Rows (N, D), each slice of which is transformed from states (N, d) when it is taken."""

    def __init__(self, states: Floats | StackedRows, transform: Callable[[Floats], Floats]) -> None:
        self.states = states
        self.transform = transform
        self.shape = len(states), transform(states[:1]).shape[1]

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        return np.asarray(self.transform(self.states[rows]), np.float64)


Rows = Floats | TransformedRows


def gram(rows: TransformedRows) -> NDArray[np.float64]:
    """Return zᵀz (D, D) of rows z (N, D), added up over blocks of them."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for part in block_slices(rows):
        block = rows[part]
        total += block.T @ block
    return total
