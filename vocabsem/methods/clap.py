"""A linear probe regularized toward the zero-shot logits, class by class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.prior_logistic import ALPHAS, PriorLogistic, fit_around_prior
from vocabsem.methods._solvers.settings import settings_of
from vocabsem.methods._solvers.stacking import sharpen
from vocabsem.methods._standardized import PriorPlusLinear
from vocabsem.runtime.parallel import thread_limits

__all__ = ["CLAP"]


class CLAP(PriorPlusLinear):
    """softmax(s p + z W + b): Silva-Rodríguez et al. 2024, "A Closer Look at the Few-Shot Adaptation of Large VLMs".

    Class-adaptive linear probing (arXiv 2312.12730): cross-entropy + λ/2 Σ_c λ_c ‖w_c‖², w_c the distance of a class's
    weights from the prior's and λ_c the mean probability that the prior gives the examples of class c: a class that the
    words name well stays near them. p are the zero-shot logits, centered over the training texts and of unit
    deviation, s its most probable factor. The paper's constraint has no λ, which here is chosen by leave-one-out with
    few rows and by folds with more. A class without examples has the mean λ_c.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    layers : int, default=1
        How many layers X holds side by side.
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
    sharpness, sharpness_deviation : float, default=0.6, 0.5
        The prior on log s is normal around log sharpness with this deviation.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    answer_mean_, answer_scale_ : ndarray of shape (C,) and float
        What p is standardized by.
    penalties_ : ndarray of shape (C,), float64
        λ_c.
    alpha_, sharpness_ : float
        λ and s.
    coef_, intercept_ : ndarray of shape (D, C) and (C,), float64
        W and b.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import CLAP, LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> CLAP(space).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "clap"
    fit_copies = (10.0, 0.3)
    positive = ("alphas", "cv", "max_iter", "sharpness", "sharpness_deviation")

    penalties_: NDArray[np.float64]
    alpha_: float

    def __init__(
        self,
        space: LabelSpace,
        *,
        layers: int = 1,
        alphas: Sequence[float] = ALPHAS,
        cv: int = 5,
        max_leave_one_out: int = 16,
        intercept_alpha: float = 0.01,
        tol: float = 1e-9,
        max_iter: int = 200,
        sharpness: float = 0.6,
        sharpness_deviation: float = 0.5,
    ) -> None:
        super().__init__(space, layers=layers)
        self.alphas = alphas
        self.cv = cv
        self.max_leave_one_out = max_leave_one_out
        self.intercept_alpha = intercept_alpha
        self.tol = tol
        self.max_iter = max_iter
        self.sharpness = sharpness
        self.sharpness_deviation = sharpness_deviation

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        prior = self.sharpness * self._prior(states)
        factor = sharpen(prior, np.zeros(self.space.classes), labels, self.sharpness_deviation)
        self.sharpness_ = self.sharpness * factor
        self.penalties_ = _class_penalties(softmax(factor * prior, axis=1), labels)
        with thread_limits(1, "blas"):
            settings = settings_of(self, PriorLogistic)
            fit = fit_around_prior(self._standardized(states), factor * prior, labels, self.penalties_, settings)
        self.coef_, self.intercept_, self.alpha_ = fit.coef, fit.intercept, fit.alpha


def _class_penalties(probabilities: Floats, labels: Ints) -> NDArray[np.float64]:
    """λ_c (C,): the mean probability of the true class over the rows of class c."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    sums = np.bincount(labels, of_truth, minlength=probabilities.shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), of_truth.mean())
