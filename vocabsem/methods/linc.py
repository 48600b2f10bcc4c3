"""The model's own probabilities, calibrated by a linear map that a few labels choose."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.folds import left_out_folds
from vocabsem.methods._solvers.stacking import fit_stacking
from vocabsem.methods.base import Method

__all__ = ["LinC"]


class LinC(Method):
    """softmax(A p + b), p the model's own probabilities: Abbas et al. 2024, "Enhancing In-context Learning via LinC".

    arXiv 2401.12406 starts at A = I and b = 0 and descends the cross-entropy of a few labeled prompts by as many steps
    as a validation set allows. Here that is a penalty λ/2 (‖A − I‖² + ‖b‖²), λ chosen by leave-one-out with few rows
    and by folds with more.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    alphas : sequence of float, default=(10, 3, 1, 0.3, 0.1, 0.03, 0.01)
        λ among which one is chosen; of equal ones the first.
    cv : int, default=5
        Folds.
    max_leave_one_out : int, default=16
        Up to so many rows each is left out alone instead.

    Attributes
    ----------
    coef_ : ndarray of shape (C, C), float64
        The transpose of A.
    intercept_ : ndarray of shape (C,), float64
        b.
    alpha_ : float
        λ as chosen.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace, LinC
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> LinC(space).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "linc"
    reads_label_logits_alone = True
    fit_copies = (5.0, 0.3)
    positive = ("alphas", "cv")

    space: LabelSpace
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    alpha_: float

    def __init__(
        self,
        space: LabelSpace,
        *,
        alphas: Sequence[float] = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01),
        cv: int = 5,
        max_leave_one_out: int = 16,
    ) -> None:
        self.space = space
        self.alphas = alphas
        self.cv = cv
        self.max_leave_one_out = max_leave_one_out

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        columns = self._columns(states)
        start = np.eye(columns.shape[1])[:, :-1]  # A = I, b = 0
        fold = left_out_folds(labels, self.cv, self.max_leave_one_out)
        losses = [0.0] * len(self.alphas)
        for held_out in (fold == number for number in np.unique(fold)):
            for index, alpha in enumerate(self.alphas):
                weights = fit_stacking(columns[~held_out], labels[~held_out], start, alpha=alpha)
                log_p = log_softmax(columns[held_out] @ weights, axis=1)
                losses[index] -= log_p[np.arange(len(log_p)), labels[held_out]].sum()
        self.alpha_ = float(self.alphas[int(np.argmin(losses))])
        weights = fit_stacking(columns, labels, start, alpha=self.alpha_)
        self.coef_, self.intercept_ = weights[:-1], weights[-1]

    def _columns(self, states: Floats) -> Floats:
        return np.hstack([softmax(self.space.label_logits(states), axis=1), np.ones((len(states), 1))])

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(softmax(self.space.label_logits(states), axis=1) @ self.coef_ + self.intercept_)
