"""Ridge regression that also learns from its own soft labels of texts without labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.blocks import row_blocks
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.transformed_rows import StackedRows, TransformedRows
from vocabsem.methods.ridge import ALPHAS, RidgeProbe, ridge
from vocabsem.runtime.parallel import thread_limits

__all__ = ["RidgeSelfTraining"]


class RidgeSelfTraining(RidgeProbe):
    """`ridge`, fitted again to the labels and to what it predicts of every training text, in `rounds` turns.

    A text without a label has the target softmax(pseudo_label_sharpness · β ŷ), β ridge's inverse temperature: soft
    self-training (Yarowsky 1995; Xie et al. 2020 with soft labels). The penalty λ stays the one that the labels chose
    by exact leave-one-out. The vocabulary enters nowhere.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side; z is divided by √layers.
    alphas : sequence of float, default=21 from 1 to 1e5, evenly in log λ
        λ among which one is chosen.
    alpha_prior : float, default=300
        λ without data to choose by.
    sharpness_prior : float, default=5
        β likewise.
    rounds : int, default=1
        How often predictions become soft labels.
    pseudo_label_sharpness : float, default=3
        What β is multiplied by then.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        μ, and σ √layers.
    coef_ : ndarray of shape (D, C), float64
        W, the transpose of scikit-learn's.
    intercept_ : ndarray of shape (C,), float64
        b.
    alpha_, sharpness_ : float
        λ and β, of the fit to the labels alone.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import RidgeSelfTraining
    >>> RidgeSelfTraining().fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "ridge_self_training"
    learns_from_unlabeled = True
    fit_copies = (10.0, 10.0)
    block_columns = 0
    temperature_folds = 5
    positive = (*RidgeProbe.positive, "pseudo_label_sharpness")

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        layers: int = 1,
        alphas: Sequence[float] = ALPHAS,
        alpha_prior: float = 300.0,
        sharpness_prior: float = 5.0,
        rounds: int = 1,
        pseudo_label_sharpness: float = 3.0,
    ) -> None:
        super().__init__(space, layers=layers, alphas=alphas, alpha_prior=alpha_prior, sharpness_prior=sharpness_prior)
        self.rounds = rounds
        self.pseudo_label_sharpness = pseudo_label_sharpness

    def _fit(
        self, states: Floats, labels: Ints, background: Floats, weights: NDArray[np.float64] | None = None
    ) -> None:
        super()._fit(states, labels, background, weights)
        counted = None if weights is None else np.concatenate([weights, np.ones(len(background))])
        both = TransformedRows(StackedRows(states, background), self._standardized)
        given = np.eye(len(self.classes_))[labels]
        alpha = np.array([self.alpha_])
        for _ in range(self.rounds):
            logits = np.concatenate([self._logits(block) for block in row_blocks(background)])
            soft = softmax(self.pseudo_label_sharpness * logits, axis=1)
            with thread_limits(1, "blas"):
                self.coef_, self.intercept_, *_ = ridge(
                    both, np.vstack([given, soft]), alpha, self.alpha_prior, counted
                )
