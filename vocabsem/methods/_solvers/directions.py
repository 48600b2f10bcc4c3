"""What the vocabulary says of each class, as one direction."""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, unit_rows
from vocabsem.label_space import LabelSpace, Targets, target_vectors

KINDS: dict[str, tuple[Targets, ...]] = {
    "both": ("anchors", "head"),
    **{kind: (kind,) for kind in get_args(Targets)},
    "none": (),
}


def directions(space: LabelSpace, targets: str, random_state: int) -> NDArray[np.float32]:
    """Return T (C, d), its rows adding up to zero: the sum over the kinds of `targets` of unit vectors."""
    rows = [unit_rows(target_vectors(space, kind, random_state)) for kind in KINDS[targets]]
    together = sum(rows, np.zeros(space.head.shape, np.float32))
    return np.asarray(together - together.mean(axis=0))


def deviation(prediction: Floats) -> np.float32:
    """Return the standard deviation of a prediction (M, C); 1 where it is constant."""
    return np.float32(prediction.std() or 1.0)


def logits_of(rows: Floats, z: Floats, scale: Floats) -> Floats:
    """Return the products (M, C) of rows (C, d) with states z · scale, less the means of both axes, of unit deviation.

    z (M, d) are states less their mean, over scale (d,). For head rows: the model's own logits after batch calibration.
    """
    logits = z @ ((rows - rows.mean(axis=0)) * scale).T
    return np.asarray(logits / deviation(logits))


def scaled(weights: Floats, states: Floats) -> Floats:
    """Return weights (D, C) over a factor, so that their prediction of the states (M, D) has unit deviation."""
    return np.asarray(weights / deviation(states @ weights))


def nearest_states(states: Floats, rows: Floats, logits: Floats) -> NDArray[np.float32]:
    """Return those nearest to states (N, d) whose products with rows (C, d) are logits (N, C) less their mean."""
    logits = logits - logits.mean(axis=1, keepdims=True)
    moves, *_ = np.linalg.lstsq(rows, (logits - states @ rows.T).T, rcond=1e-5)  # (d, N)
    return np.asarray(states + moves.T, np.float32)
