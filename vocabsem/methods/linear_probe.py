"""Logistic regression on standardized states: what any linear reader finds in them, without the vocabulary."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints, mean_and_deviation
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.logistic import ALPHAS, Linear, Logistic, choose_and_fit
from vocabsem.methods._solvers.settings import settings_of
from vocabsem.methods.base import WeightedMethod

__all__ = ["LinearProbe"]


class LinearProbe(WeightedMethod):
    """softmax(z W + b), z = (h − μ)/σ with the mean and deviation of the training states, penalty λ/2 ‖W‖².

    λ (scikit-learn's 1/C) is chosen by cross-validation on the training rows.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side; z is divided by √layers, so that λ means the same.
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
    mean_, scale_ : ndarray of shape (D,), float32
        μ, and σ √layers.
    coef_ : ndarray of shape (D, C), float32
        W, the transpose of scikit-learn's.
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
    >>> from vocabsem import LinearProbe
    >>> LinearProbe().fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "linear_probe"
    fit_copies = (2.0, 1.0)
    takes_layers = True
    takes_random_state = True
    needs_space = False
    trains = True
    positive: ClassVar[tuple[str, ...]] = ("cv", "alphas", "alpha_prior", "max_cv_rows", "max_iter")

    mean_: NDArray[np.float32]
    scale_: NDArray[np.float32]
    coef_: NDArray[np.float32]
    intercept_: NDArray[np.float32]
    alpha_: float
    n_iter_: int

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
        random_state: int = 0,
    ) -> None:
        self.space = space
        self.layers = layers
        self.cv = cv
        self.alphas = alphas
        self.alpha_prior = alpha_prior
        self.intercept_alpha = intercept_alpha
        self.max_cv_rows = max_cv_rows
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def _fit(
        self, states: Floats, labels: Ints, background: Floats, weights: NDArray[np.float64] | None = None
    ) -> None:
        self.mean_, deviation = mean_and_deviation(background)
        self.scale_ = deviation * np.float32(self.layers**0.5)
        z = (states - self.mean_) / self.scale_
        settings = settings_of(self, Logistic)
        result = choose_and_fit(z, self._no_offset(z), labels, settings, self.random_state, weights)
        self.coef_, self.intercept_ = result.coef, result.intercept
        self.alpha_, self.n_iter_ = result.alpha, result.n_iter

    def _no_offset(self, z: Floats) -> Floats:
        return np.zeros((len(z), len(self.classes_)), np.float32)

    def _logits(self, states: Floats) -> Floats:
        z = (states - self.mean_) / self.scale_
        return Linear(self.coef_, self.intercept_, self.alpha_).logits(z, self._no_offset(z))
