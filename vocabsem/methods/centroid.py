"""The nearest class mean of the labeled states (Hidden Calibration's classifier)."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints, mean_and_deviation, unit_rows
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method

__all__ = ["Centroid"]


class Centroid(Method):
    """softmax over the classes of minus the distance between z = (h − μ) / σ and the class means of z.

    μ and σ are mean and deviation of the training states, labels unused: without them a few large dimensions, or the
    largest of several layers, rule every distance. A class without examples gets probability 0.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    metric : {"cosine", "l2"}, default="cosine"
        1 − cos(z, m_c), or ‖z − m_c‖.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (d,), float32
        μ and σ.
    centroids_ : ndarray of shape (C, d), float64
        m_c, of z.
    present_ : ndarray of shape (C,), bool
        Which classes have examples.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import Centroid
    >>> Centroid().fit(X, y).predict([[0.2, 0.8]]).tolist()
    [0]
    """

    name = "centroid"
    fit_copies = (0.3, 0.3)
    revision = 2
    needs_space = False
    fixed_width = False
    choices: ClassVar = {"metric": ("cosine", "l2")}

    mean_: NDArray[np.float32]
    scale_: NDArray[np.float32]
    centroids_: NDArray[np.float64]
    present_: NDArray[np.bool_]

    def __init__(self, space: LabelSpace | None = None, *, metric: Literal["cosine", "l2"] = "cosine") -> None:
        self.space = space
        self.metric = metric

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self.mean_, self.scale_ = mean_and_deviation(background)
        counts = np.bincount(labels, minlength=len(self.classes_))
        sums = np.zeros((len(self.classes_), states.shape[1]))
        np.add.at(sums, labels, states)
        self.present_ = counts > 0
        self.centroids_ = (sums / np.maximum(counts, 1)[:, None] - self.mean_) / self.scale_
        self.centroids_[~self.present_] = 0.0

    def _logits(self, states: Floats) -> Floats:
        z = (states.astype(np.float64) - self.mean_) / self.scale_
        if self.metric == "cosine":
            logits = unit_rows(z) @ unit_rows(self.centroids_).T
        else:
            logits = -np.stack([np.linalg.norm(z - centroid, axis=1) for centroid in self.centroids_], axis=1)
        return np.where(self.present_, logits, -np.inf)
