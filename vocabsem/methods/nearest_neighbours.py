"""The vote of the nearest labelled states."""

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import CardError
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Floats, Ints, Method, unit_rows

BLOCK = 2048  # states compared with all neighbours at a time


class NearestNeighbours(Method):
    """P(c) = (votes for c + smoothing) / (k + C · smoothing) among the k most cosine-similar labelled states.

    States are centred by the mean of the training states, labels unused (centre=False leaves them as they are).
    With fewer than k labelled states, all vote.
    """

    name = "nearest_neighbours"
    needs_space = False
    fixed_width = False

    mean_: NDArray[np.float32]
    neighbours_: NDArray[np.float32]
    labels_: NDArray[np.int64]

    def __init__(
        self, space: LabelSpace | None = None, *, k: int = 16, centre: bool = True, smoothing: float = 0.5
    ) -> None:
        self.space = space  # type: ignore[assignment]
        self.k = k
        self.centre = centre
        self.smoothing = smoothing

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if self.k < 1 or self.smoothing <= 0:
            raise CardError(f"nearest_neighbours: k={self.k}, smoothing={self.smoothing}: expected k ≥ 1, more than 0")
        mean = background.mean(axis=0, dtype=np.float64) if self.centre else np.zeros(states.shape[1])
        self.mean_ = mean.astype(np.float32)
        self.neighbours_ = unit_rows(states - self.mean_)
        self.labels_ = np.asarray(labels, np.int64)

    def _logits(self, states: Floats) -> Floats:
        shares = np.empty((len(states), len(self.classes_)))
        for start in range(0, len(states), BLOCK):
            similar = unit_rows(states[start : start + BLOCK] - self.mean_) @ self.neighbours_.T  # (b, M)
            shares[start : start + BLOCK] = share_of_votes(
                similar, self.labels_, len(self.classes_), self.k, self.smoothing
            )
        return np.log(shares)


def share_of_votes(nearness: Floats, labels: Ints, classes: int, k: int, smoothing: float) -> NDArray[np.float64]:
    """nearness (N, M) to examples with labels (M,) → smoothed shares (N, C) of the k nearest, or of all M if fewer."""
    k = min(k, len(labels))
    nearest = np.argpartition(-nearness, k - 1, axis=1)[:, :k]
    votes = np.eye(classes)[labels[nearest]].sum(axis=1)
    return np.asarray((votes + smoothing) / (k + classes * smoothing))
