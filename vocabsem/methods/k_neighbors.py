"""The vote of the nearest labeled states."""

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints, mean_and_deviation, unit_rows
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method

__all__ = ["KNeighbors", "share_of_votes"]

BLOCK = 2048  # states compared with all neighbors at a time
ENTRIES = 2**25  # or as many as there are pairs of them: 128 MiB, and three times that for their order


class KNeighbors(Method):
    """P(c) = (votes for c + smoothing) / (k + C · smoothing) among the k most cosine-similar labeled states.

    States are standardized by mean and deviation of the training states, labels unused.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    n_neighbors : int, default=16
        k; with fewer labeled states, all vote.
    smoothing : float, default=0.5
        Votes that every class has beforehand.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (d,), float32
        What the states are standardized by.
    neighbors_ : ndarray of shape (N, d), float32
        The labeled states, standardized, of length one.
    labels_ : ndarray of shape (N,), int64
        Their classes.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import KNeighbors
    >>> KNeighbors(n_neighbors=1).fit(X, y).predict([[0.2, 0.8]]).tolist()
    [0]
    """

    name = "k_neighbors"
    fit_copies = (4.3, 0.3)
    revision = 2
    needs_space = False
    fixed_width = False
    positive = ("n_neighbors", "smoothing")

    mean_: NDArray[np.float32]
    scale_: NDArray[np.float32]
    neighbors_: NDArray[np.float32]
    labels_: NDArray[np.int64]

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        n_neighbors: int = 16,
        smoothing: float = 0.5,
    ) -> None:
        self.space = space
        self.n_neighbors = n_neighbors
        self.smoothing = smoothing

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self.mean_, self.scale_ = mean_and_deviation(background)
        self.neighbors_ = unit_rows((states - self.mean_) / self.scale_)
        self.labels_ = np.asarray(labels, np.int64)

    def _logits(self, states: Floats) -> Floats:
        shares = np.empty((len(states), len(self.classes_)))
        block = max(1, min(BLOCK, ENTRIES // len(self.labels_)))
        for start in range(0, len(states), block):
            similar = (
                unit_rows((states[start : start + block] - self.mean_) / self.scale_) @ self.neighbors_.T
            )  # (b, M)
            shares[start : start + block] = share_of_votes(
                similar, self.labels_, len(self.classes_), self.n_neighbors, self.smoothing
            )
        return np.log(shares)


def share_of_votes(nearness: Floats, labels: Ints, classes: int, k: int, smoothing: float) -> NDArray[np.float64]:
    """Compute the smoothed shares of the k nearest labeled examples, or of all M if fewer.

    Parameters
    ----------
    nearness : ndarray of shape (N, M)
        Of each row to the examples.
    labels : ndarray of shape (M,)
        Their classes.
    classes, k : int
        C, and how many vote.
    smoothing : float
        Votes that every class has beforehand.

    Returns
    -------
    ndarray of shape (N, C), float64

    Examples
    --------
    >>> share_of_votes(np.array([[0.9, 0.1, 0.8]]), np.array([0, 1, 1]), classes=2, k=1, smoothing=0.5)
    array([[0.75, 0.25]])
    """
    k = min(k, len(labels))
    nearest = np.argpartition(-nearness, k - 1, axis=1)[:, :k]
    votes = np.eye(classes)[labels[nearest]].sum(axis=1)
    return np.asarray((votes + smoothing) / (k + classes * smoothing))
