"""The vote of the nearest labeled states."""

import numpy as np
from numpy.typing import NDArray

from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Floats, Ints, Method, unit_rows

BLOCK = 2048  # states compared with all neighbors at a time


class NearestNeighbors(Method):
    """P(c) = (votes for c + smoothing) / (k + C · smoothing) among the k most cosine-similar labeled states.

    States are centered by the mean of the training states, labels unused (center=False leaves them as they are).
    With fewer than k labeled states, all vote.
    """

    name = "nearest_neighbors"
    needs_space = False
    fixed_width = False
    positive = ("k", "smoothing")

    mean_: NDArray[np.float32]
    neighbors_: NDArray[np.float32]
    labels_: NDArray[np.int64]

    def __init__(
        self, space: LabelSpace | None = None, *, k: int = 16, center: bool = True, smoothing: float = 0.5
    ) -> None:
        self.space = space  # type: ignore[assignment]
        self.k = k
        self.center = center
        self.smoothing = smoothing

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        mean = background.mean(axis=0, dtype=np.float64) if self.center else np.zeros(states.shape[1])
        self.mean_ = mean.astype(np.float32)
        self.neighbors_ = unit_rows(states - self.mean_)
        self.labels_ = np.asarray(labels, np.int64)

    def _logits(self, states: Floats) -> Floats:
        shares = np.empty((len(states), len(self.classes_)))
        for start in range(0, len(states), BLOCK):
            similar = unit_rows(states[start : start + BLOCK] - self.mean_) @ self.neighbors_.T  # (b, M)
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
