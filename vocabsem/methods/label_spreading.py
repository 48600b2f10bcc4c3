"""Labels that spread over a graph of nearest neighbors of all training texts."""

import numpy as np
from numpy.typing import NDArray
from sklearn import semi_supervised

from vocabsem.arrays import Floats, Ints
from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.nearest import nearest
from vocabsem.methods._standardized import StandardizedMethod

__all__ = ["LabelSpreading"]


class LabelSpreading(StandardizedMethod):
    """scikit-learn's LabelSpreading over labeled and unlabeled standardized states (Zhou et al. 2004).

    F = (I − α S)⁻¹ Y but for a factor, S the normalized graph of the k nearest neighbors. A test text enters no graph:
    its probabilities are the mean of F over its k nearest training texts, as in scikit-learn's predict.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side.
    n_neighbors : int, default=7
        k.
    alpha : float, default=0.2
        α, the share that a text takes from its neighbors; between 0 and 1.
    max_iter : int, default=200
        Steps at most.
    smoothing : float, default=1e-4
        Added to each class's share of the neighbors, for classes that none of them has.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    rows_ : ndarray of shape (N + M, D), float32
        z of the labeled and the unlabeled texts.
    distributions_ : ndarray of shape (N + M, C), float64
        F, rows adding up to one.
    n_iter_ : int
        Steps taken.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpreading
    >>> LabelSpreading(n_neighbors=2).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "label_spreading"
    learns_from_unlabeled = True
    fit_copies = (8.0, 8.0)
    positive = ("n_neighbors", "alpha", "max_iter", "smoothing")

    rows_: NDArray[np.float32]
    distributions_: NDArray[np.float64]
    n_iter_: int

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        layers: int = 1,
        n_neighbors: int = 7,
        alpha: float = 0.2,
        max_iter: int = 200,
        smoothing: float = 1e-4,
    ) -> None:
        super().__init__(space, layers=layers)
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.max_iter = max_iter
        self.smoothing = smoothing

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if self.alpha >= 1:
            raise DataError(f"{self.name}: alpha={self.alpha}: give a number below 1")
        self._standardize(background)
        self.rows_ = np.vstack([self._standardized(states), self._standardized(background)])
        given = np.append(labels, np.full(len(background), -1))
        neighbors = min(self.n_neighbors, len(given))
        spread = semi_supervised.LabelSpreading(
            kernel="knn", n_neighbors=neighbors, alpha=self.alpha, max_iter=self.max_iter
        ).fit(self.rows_, given)
        self.n_iter_ = int(spread.n_iter_)
        self.distributions_ = np.zeros((len(given), len(self.classes_)))
        self.distributions_[:, spread.classes_] = spread.label_distributions_

    def _logits(self, states: Floats) -> Floats:
        indices, _ = nearest(self._standardized(states), self.rows_, min(self.n_neighbors, len(self.rows_)))
        return np.asarray(np.log(self.distributions_[indices].mean(axis=1) + self.smoothing))
