"""Logistic regression that also learns from its own soft labels of texts without labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.blocks import block_slices, gathered_rows, row_blocks
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.logistic import ALPHAS, Logistic, fit_soft_labels
from vocabsem.methods._solvers.settings import settings_of
from vocabsem.methods._solvers.transformed_rows import StackedRows
from vocabsem.methods.linear_probe import LinearProbe

__all__ = ["ProbeSelfTraining"]


class ProbeSelfTraining(LinearProbe):
    """`linear_probe`, fitted again to the labels and to what it predicts of every training text, in `rounds` turns.

    A text without a label has the target softmax(pseudo_label_sharpness · logits): soft self-training (Yarowsky 1995;
    Xie et al. 2020 with soft labels). The penalty λ stays the one that the labels chose. The vocabulary enters nowhere.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side; z is divided by √layers.
    cv : int, default=5
        Folds that choose λ.
    alphas : sequence of float, default=(1000, 300, 100, 30, 10)
        λ among which one is chosen, strongest first.
    alpha_prior : float, default=300
        λ without data to choose by.
    intercept_alpha : float, default=0.01
        The penalty on the intercepts, as a share of λ.
    max_cv_rows : int, default=5000
        At most so many training rows choose λ; all of them fit the result.
    tol : float, default=1e-7
        L-BFGS stops at this relative decrease of the loss.
    max_iter : int, default=300
        Or after so many iterations.
    rounds : int, default=1
        How often predictions become soft labels.
    pseudo_label_sharpness : float, default=3
        What logits are multiplied by then.
    random_state : int, default=0
        Deals the rows to the folds.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        μ, and σ √layers.
    coef_ : ndarray of shape (D, C), float32
        W, the transpose of scikit-learn's.
    intercept_ : ndarray of shape (C,), float32
        b.
    alpha_ : float
        λ as chosen.
    n_iter_ : int
        Iterations of L-BFGS in the last fit.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import ProbeSelfTraining
    >>> ProbeSelfTraining().fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "probe_self_training"
    learns_from_unlabeled = True
    fit_copies = (6.0, 6.0)
    block_columns = 10
    positive = (*LinearProbe.positive, "pseudo_label_sharpness")

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        layers: int = 1,
        cv: int = 5,
        alphas: Sequence[float] = ALPHAS,
        alpha_prior: float = 300.0,
        intercept_alpha: float = 0.01,
        max_cv_rows: int = 5000,
        tol: float = 1e-7,
        max_iter: int = 300,
        rounds: int = 1,
        pseudo_label_sharpness: float = 3.0,
        random_state: int = 0,
    ) -> None:
        super().__init__(
            space,
            layers=layers,
            cv=cv,
            alphas=alphas,
            alpha_prior=alpha_prior,
            intercept_alpha=intercept_alpha,
            max_cv_rows=max_cv_rows,
            tol=tol,
            max_iter=max_iter,
            random_state=random_state,
        )
        self.rounds = rounds
        self.pseudo_label_sharpness = pseudo_label_sharpness

    def _fit(
        self, states: Floats, labels: Ints, background: Floats, weights: NDArray[np.float64] | None = None
    ) -> None:
        super()._fit(states, labels, background, weights)
        counted = None if weights is None else np.concatenate([weights, np.ones(len(background))])
        rows = StackedRows(states, background)
        both = gathered_rows(rows.shape, ((rows[part] - self.mean_) / self.scale_ for part in block_slices(rows)))
        given = np.eye(len(self.classes_))[labels]
        for _ in range(self.rounds):
            logits = np.concatenate([self._logits(block) for block in row_blocks(background)])
            soft = softmax(self.pseudo_label_sharpness * logits, axis=1)
            targets = np.vstack([given, soft])
            fit = fit_soft_labels(both, targets, self.alpha_, settings_of(self, Logistic), counted)
            self.coef_, self.intercept_, self.n_iter_ = fit.coef, fit.intercept, fit.n_iter
