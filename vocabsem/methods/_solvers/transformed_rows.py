"""Rows that are more than one holds in float64: transformed where they are read."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats


class TransformedRows:
    """Rows (N, D), each slice of which is transformed from states (N, d) when it is taken."""

    def __init__(self, states: Floats, transform: Callable[[Floats], Floats]) -> None:
        self.states = states
        self.transform = transform
        self.shape = len(states), transform(states[:1]).shape[1]

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        return np.asarray(self.transform(self.states[rows]), np.float64)


Rows = Floats | TransformedRows
