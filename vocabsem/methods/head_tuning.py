"""Fine-tuning of the head rows of the label words, the body frozen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.logistic import ALPHAS, Linear, Logistic, choose_and_fit
from vocabsem.methods._solvers.settings import settings_of
from vocabsem.methods.base import Method

__all__ = ["HeadTuning"]


class HeadTuning(Method):
    """softmax of the model's own logits, each label word's head row w_c moved by δ_c and its bias by b_c.

    Σ −log softmax(own logits + (h − μ)·δ_c/ρ + b_c)[y] + λ/2 ‖δ‖² is convex: the penalty is a Gaussian prior around
    the head's own rows, the same in all directions of the states' space. μ, the mean of the training states, only moves
    what b_c has to learn; ρ, one number, is the root mean square of the centered states, so that λ means what it means
    in the linear probe, and is chosen as there. A soft-cap stays on the own logits; the change is added after it.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    cv : int, default=5
        Folds that choose λ.
    alphas : sequence of float, default=(1000, 300, 100, 30, 10)
        λ among which one is chosen, strongest first.
    alpha_prior : float, default=300
        λ without data to choose by: the prior on log λ is normal around it with deviation 1.
    intercept_alpha : float, default=0.01
        The penalty on the intercepts, as a share of λ.
    max_cv_rows : int, default=5000
        At most so many training rows choose λ; all of them fit the result.
    tol : float, default=1e-7
        L-BFGS stops at this relative decrease of the loss.
    max_iter : int, default=300
        Or after so many iterations.
    random_state : int, default=0
        Deals the rows to the folds.

    Attributes
    ----------
    mean_ : ndarray of shape (d,), float32
        μ.
    scale_ : float
        ρ.
    coef_ : ndarray of shape (d, C), float32
        δ, the transpose of scikit-learn's.
    intercept_ : ndarray of shape (C,), float32
        b.
    alpha_ : float
        λ as chosen.
    n_iter_ : int
        Iterations of L-BFGS on all rows.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> from vocabsem import HeadTuning
    >>> HeadTuning(space).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "head_tuning"
    fit_copies = (2.0, 1.0)
    takes_random_state = True
    trains = True
    positive = ("cv", "alphas", "alpha_prior", "max_cv_rows", "max_iter")

    space: LabelSpace
    mean_: NDArray[np.float32]
    scale_: float
    coef_: NDArray[np.float32]
    intercept_: NDArray[np.float32]
    alpha_: float
    n_iter_: int

    def __init__(
        self,
        space: LabelSpace,
        *,
        cv: int = 5,
        alphas: Sequence[float] = ALPHAS,
        alpha_prior: float = 300.0,
        intercept_alpha: float = 0.01,
        max_cv_rows: int = 5000,
        tol: float = 1e-7,
        max_iter: int = 300,
        random_state: int = 0,
    ) -> None:
        self.space = space
        self.cv = cv
        self.alphas = alphas
        self.alpha_prior = alpha_prior
        self.intercept_alpha = intercept_alpha
        self.max_cv_rows = max_cv_rows
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        mean = background.mean(axis=0, dtype=np.float64)
        self.mean_ = mean.astype(np.float32)
        self.scale_ = float(np.sqrt(((background - mean) ** 2).mean())) or 1.0
        offset = self.space.label_logits(states).astype(np.float32)
        result = choose_and_fit(self._scaled(states), offset, labels, settings_of(self, Logistic), self.random_state)
        self.coef_, self.intercept_ = result.coef, result.intercept
        self.alpha_, self.n_iter_ = result.alpha, result.n_iter

    def _scaled(self, states: Floats) -> Floats:
        return (states - self.mean_) / np.float32(self.scale_)

    def _logits(self, states: Floats) -> Floats:
        change = Linear(self.coef_, self.intercept_, self.alpha_)
        return change.logits(self._scaled(states), self.space.label_logits(states))
