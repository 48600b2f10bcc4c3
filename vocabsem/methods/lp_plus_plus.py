"""A linear probe beside the zero-shot logits, whose weight is learned for each class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.prior_logistic import ALPHAS, PriorLogistic, fit_around_prior
from vocabsem.methods._solvers.settings import settings_of
from vocabsem.methods._standardized import PriorMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["LPPlusPlus"]


class LPPlusPlus(PriorMethod):
    """softmax(a_c s p_c + z w_c + b_c), a and W learned together: Huang et al. 2024, "LP++" (arXiv 2404.02285).

    a_c is the weight of the label word of class c. Cross-entropy is convex in a, W and b; the paper descends
    it from class means in a few steps, which is its regularization. Here it is minimized with the penalties
    λ/2 ‖W‖² + 1/2 ‖a − 1‖², λ chosen by leave-one-out with few rows and by folds with more. p is the model's own
    answer, centered over the training texts and of unit deviation.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    layers : int, default=1
        How many layers X holds side by side.
    multiplier_alpha : float, default=1
        The penalty on a − 1.
    alphas : sequence of float, default=(10, 3, 1, 0.3, 0.1, 0.03, 0.01)
        λ among which one is chosen, strongest first; z has about unit length.
    cv : int, default=5
        Folds.
    max_leave_one_out : int, default=16
        Up to so many rows each is left out alone instead.
    intercept_alpha : float, default=0.01
        The penalty on the intercepts, as a share of λ.
    tol : float, default=1e-9
        L-BFGS stops at this relative decrease of the loss.
    max_iter : int, default=200
        Or after so many iterations.
    sharpness : float, default=0.6
        s.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    answer_mean_, answer_scale_ : ndarray of shape (C,) and float
        What p is standardized by.
    multiplier_ : ndarray of shape (C,), float64
        a.
    alpha_ : float
        λ as chosen.
    coef_, intercept_ : ndarray of shape (D, C) and (C,), float64
        W and b.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace, LPPlusPlus
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> LPPlusPlus(space).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "lp_plus_plus"
    fit_copies = (10.0, 0.3)
    positive = ("multiplier_alpha", "alphas", "cv", "max_iter", "sharpness")

    multiplier_: NDArray[np.float64]
    alpha_: float
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def __init__(
        self,
        space: LabelSpace,
        *,
        layers: int = 1,
        multiplier_alpha: float = 1.0,
        alphas: Sequence[float] = ALPHAS,
        cv: int = 5,
        max_leave_one_out: int = 16,
        intercept_alpha: float = 0.01,
        tol: float = 1e-9,
        max_iter: int = 200,
        sharpness: float = 0.6,
    ) -> None:
        super().__init__(space, layers=layers)
        self.multiplier_alpha = multiplier_alpha
        self.alphas = alphas
        self.cv = cv
        self.max_leave_one_out = max_leave_one_out
        self.intercept_alpha = intercept_alpha
        self.tol = tol
        self.max_iter = max_iter
        self.sharpness = sharpness

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        with thread_limits(1, "blas"):
            fit = fit_around_prior(
                self._standardized(states),
                self.sharpness * self._prior(states),
                labels,
                np.ones(self.space.classes),
                settings_of(self, PriorLogistic),
                multiplier_alpha=self.multiplier_alpha,
            )
        self.multiplier_, self.coef_, self.intercept_ = fit.multiplier, fit.coef, fit.intercept
        self.alpha_ = fit.alpha

    def _logits(self, states: Floats) -> Floats:
        prior = self.sharpness * self._prior(states)
        return self.multiplier_ * prior + self._standardized(states) @ self.coef_ + self.intercept_
