"""Gaussian discriminant analysis added to the zero-shot logits."""

from collections.abc import Sequence

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.gaussian_prior import gaussian_around_prior
from vocabsem.methods._solvers.left_out import WEIGHTS
from vocabsem.methods._solvers.transformed_rows import TransformedRows
from vocabsem.methods._standardized import PriorPlusLinear
from vocabsem.runtime.parallel import thread_limits

__all__ = ["GDAPrior"]


class GDAPrior(PriorPlusLinear):
    """softmax(s (p + α (z W + b))): Gaussian discriminant analysis (Wang et al., ICLR 2024).

    "A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation". p are the zero-shot logits of z's prompt,
    centered over the training texts and of unit deviation. With class means μ_c and the scatter S within classes of the
    N labeled rows of D columns (arXiv 2402.04087),

        P = D (S + tr(S)/(N − 1) I)⁻¹,    w_c = P μ_c,    b_c = log π_c − ½ μ_cᵀ P μ_c.

    α, relative to the deviation of z W + b, and s have the largest likelihood of the rows left out, which are exact.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    layers : int, default=1
        How many layers X holds side by side.
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
        s α W.
    intercept_ : ndarray of shape (C,), float64
        s α b.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import GDAPrior, LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> GDAPrior(space).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "gda_prior"
    fit_copies = (12.0, 0.3)
    fits_in_blocks = True
    temperature_folds = 0
    positive = ("sharpness", "sharpness_deviation")

    def __init__(
        self,
        space: LabelSpace,
        *,
        layers: int = 1,
        weights: Sequence[float] = WEIGHTS,
        sharpness: float = 0.6,
        sharpness_deviation: float = 0.5,
    ) -> None:
        super().__init__(space, layers=layers)
        self.weights = weights
        self.sharpness = sharpness
        self.sharpness_deviation = sharpness_deviation

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        with thread_limits(1, "blas"):
            fit = gaussian_around_prior(
                TransformedRows(states, self._standardized),
                labels,
                self._prior(states),
                self.weights,
                sharpness=self.sharpness,
                deviation=self.sharpness_deviation,
            )
        self.sharpness_, self.coef_, self.intercept_ = fit.sharpness, fit.coef, fit.intercept
