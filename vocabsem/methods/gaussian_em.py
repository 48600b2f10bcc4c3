"""Gaussian classes of one covariance, found by expectation maximization from the zero-shot logits."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.blocks import block_slices
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.mixture import gaussian_mixture
from vocabsem.methods._solvers.principal_axes import axes_of_gram, principal_axes
from vocabsem.methods._solvers.transformed_rows import StackedRows, TransformedRows, gram
from vocabsem.methods._standardized import PriorMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["GaussianEM"]


class GaussianEM(PriorMethod):
    """P(c) ∝ π_c N(x; μ_c, Σ), x the standardized state along the first principal axes of the training texts.

    Expectation maximization over the training texts and the labeled rows, which keep their classes and weigh more,
    starts from softmax(sharpness · p), p the zero-shot logits, centered over the texts and of unit deviation. Σ is
    shared and full, (1 − γ) Σ̂ + γ tr(Σ̂)/k I; the shares π are drawn towards equal ones. Without labels this is
    clustering that starts from the label words (McLachlan & Krishnan, "The EM Algorithm and Extensions";
    semi-supervised: Nigam et al. 2000).

    Parameters
    ----------
    space : LabelSpace
        The label words.
    layers : int, default=1
        How many layers X holds side by side.
    n_components : int, default=64
        k, principal axes that are kept at most.
    shrinkage : float, default=0.1
        γ.
    uniform_weight : float, default=1
        Pseudo-rows for each row, spread over the classes equally, when π is estimated.
    labeled_weight : float, default=10
        Of a labeled row beside one without a label.
    sharpness : float, default=2
        Of the softmax that EM starts from.
    max_iter : int, default=20
        Steps.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    answer_mean_, answer_scale_ : ndarray of shape (C,) and float
        What p is standardized by.
    coef_ : ndarray of shape (D, C), float64
        Σ⁻¹ μ along the axes.
    intercept_ : ndarray of shape (C,), float64
        log π − ½ μᵀ Σ⁻¹ μ.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import GaussianEM, LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> GaussianEM(space).fit(X).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "gaussian_em"
    learns_from_unlabeled = True
    fit_copies = (8.0, 10.0)
    fits_in_blocks = True
    block_columns = 80
    works_without_labels = True
    positive = ("n_components", "shrinkage", "labeled_weight", "max_iter")

    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def __init__(
        self,
        space: LabelSpace,
        *,
        layers: int = 1,
        n_components: int = 64,
        shrinkage: float = 0.1,
        uniform_weight: float = 1.0,
        labeled_weight: float = 10.0,
        sharpness: float = 2.0,
        max_iter: int = 20,
    ) -> None:
        super().__init__(space, layers=layers)
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.uniform_weight = uniform_weight
        self.labeled_weight = labeled_weight
        self.sharpness = sharpness
        self.max_iter = max_iter

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        with thread_limits(1, "blas"):
            pool = TransformedRows(background, self._standardized)
            _, axes = axes_of_gram(gram(pool)) if len(pool) > pool.shape[1] else principal_axes(pool[:])
            axes = axes[:, -self.n_components :]
            both = TransformedRows(StackedRows(background, states[: len(labels)]), self._standardized)
            x = np.empty((len(both), axes.shape[1]))
            for rows in block_slices(both):
                x[rows] = both[rows] @ axes
            given = np.eye(self.space.classes)[labels]
            coef, intercept = gaussian_mixture(
                x,
                softmax(self.sharpness * self._prior(background), axis=1),
                given,
                labeled_weight=self.labeled_weight,
                shrinkage=self.shrinkage,
                uniform_weight=self.uniform_weight,
                max_iter=self.max_iter,
            )
        self.coef_, self.intercept_ = axes @ coef, intercept

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(self._standardized(states) @ self.coef_ + self.intercept_)
