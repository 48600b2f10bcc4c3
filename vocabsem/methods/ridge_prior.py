"""Ridge regression added to the zero-shot logits."""

from collections.abc import Sequence

import numpy as np

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.left_out import WEIGHTS, choose
from vocabsem.methods._solvers.transformed_rows import TransformedRows
from vocabsem.methods._standardized import PriorPlusLinear
from vocabsem.methods.ridge import ALPHAS, ridge
from vocabsem.runtime.parallel import thread_limits

__all__ = ["RidgePrior"]


class RidgePrior(PriorPlusLinear):
    """softmax(s (p + α ŷ)): the least-squares estimate of `ridge` and the zero-shot logits, nothing else.

    p are the zero-shot logits of the prompt, centered over the training texts and of unit deviation; ŷ is fitted
    without it, its penalty chosen as in `ridge`. α, relative to the deviation of ŷ, and s have the largest likelihood
    of ridge's exact leave-one-out estimates.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    layers : int, default=1
        How many layers X holds side by side.
    alphas : sequence of float, default=21 from 1 to 1e5, evenly in log λ
        Penalties among which one is chosen, for states of unit deviation.
    alpha_prior : float, default=300
        The penalty without data to choose by.
    weights : sequence of float, default=(0, 0.1, 0.2, 0.5, 1, 2, 5, 10)
        α among which one is chosen.
    sharpness, sharpness_deviation : float, default=0.6, 0.5
        The prior on log s is normal around log sharpness with this deviation.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by; z has about unit length.
    answer_mean_, answer_scale_ : ndarray of shape (C,) and float
        What p is standardized by.
    sharpness_ : float
        s.
    coef_ : ndarray of shape (D, C), float64
        s α W, the transpose of scikit-learn's.
    intercept_ : ndarray of shape (C,), float64
        s α b.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace, RidgePrior
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> RidgePrior(space).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "ridge_prior"
    fit_copies = (6.0, 0.3)
    fits_in_blocks = True
    temperature_folds = 0
    positive = ("alphas", "alpha_prior", "sharpness", "sharpness_deviation")

    def __init__(
        self,
        space: LabelSpace,
        *,
        layers: int = 1,
        alphas: Sequence[float] = ALPHAS,
        alpha_prior: float = 300.0,
        weights: Sequence[float] = WEIGHTS,
        sharpness: float = 0.6,
        sharpness_deviation: float = 0.5,
    ) -> None:
        super().__init__(space, layers=layers)
        self.alphas = alphas
        self.alpha_prior = alpha_prior
        self.weights = weights
        self.sharpness = sharpness
        self.sharpness_deviation = sharpness_deviation

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        z, y = TransformedRows(states, self._standardized), np.eye(self.space.classes)[labels]
        alphas = np.asarray(self.alphas) / self.space.width  # z² adds up to about 1, in `ridge` to the width
        with thread_limits(1, "blas"):
            coef, intercept, _, estimates = ridge(z, y, alphas, self.alpha_prior / self.space.width)
            _, self.sharpness_, slope = choose(
                [estimates],
                labels,
                self._prior(states),
                self.weights,
                sharpness=self.sharpness,
                deviation=self.sharpness_deviation,
            )
        self.coef_, self.intercept_ = slope * coef, slope * intercept
