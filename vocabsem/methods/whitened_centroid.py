"""The nearest class mean of whitened states: linear discriminant analysis with a shrunken covariance."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.gaussian import SharedGaussian
from vocabsem.methods._solvers.left_out import choose
from vocabsem.methods._solvers.transformed_rows import TransformedRows
from vocabsem.methods._standardized import StandardizedMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["WhitenedCentroid"]

SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 0.6, 0.9)


class WhitenedCentroid(StandardizedMethod):
    """softmax(s (z W + b)): scikit-learn's LinearDiscriminantAnalysis of standardized states, γ and s by leave-one-out.

    W = Σ⁻¹ μ, b_c = log π_c − ½ μ_cᵀ Σ⁻¹ μ_c, Σ = (1 − γ) S/N + γ tr(S)/(N D) I with class means μ_c and the scatter S
    within classes. γ and s have the largest likelihood of the rows left out, which are exact.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side.
    shrinkages : sequence of float, default=(0.01, 0.03, 0.1, 0.3, 0.6, 0.9)
        γ among which one is chosen; below 1.
    sharpness, sharpness_deviation : float, default=0.6, 0.5
        The prior on log s is normal around log sharpness with this deviation.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by; z has about unit length.
    shrinkage_ : float
        γ as chosen.
    coef_ : ndarray of shape (D, C), float64
        s W.
    intercept_ : ndarray of shape (C,), float64
        s b.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import WhitenedCentroid
    >>> WhitenedCentroid().fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "whitened_centroid"
    fit_copies = (12.0, 0.3)
    fits_in_blocks = True
    temperature_folds = 0
    positive = ("shrinkages", "sharpness", "sharpness_deviation")

    shrinkage_: float
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        layers: int = 1,
        shrinkages: Sequence[float] = SHRINKAGES,
        sharpness: float = 0.6,
        sharpness_deviation: float = 0.5,
    ) -> None:
        super().__init__(space, layers=layers)
        self.shrinkages = shrinkages
        self.sharpness = sharpness
        self.sharpness_deviation = sharpness_deviation

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if max(self.shrinkages) >= 1:
            raise DataError(f"{self.name}: shrinkages={self.shrinkages}: give numbers below 1")
        self._standardize(background)
        precisions = [partial(_precision, shrinkage, states.shape[1]) for shrinkage in self.shrinkages]
        with thread_limits(1, "blas"):
            gaussian = SharedGaussian(TransformedRows(states, self._standardized), labels, len(self.classes_))
            index, _, slope = choose(
                gaussian.left_out(precisions),
                labels,
                0.0,
                weights=(1.0,),
                sharpness=self.sharpness,
                deviation=self.sharpness_deviation,
            )
            coef, intercept = gaussian.fit(precisions[index])
        self.shrinkage_ = float(self.shrinkages[index])
        self.coef_, self.intercept_ = slope * coef, slope * intercept

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(self._standardized(states) @ self.coef_ + self.intercept_)


def _precision(shrinkage: float, width: int, trace: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Σ⁻¹ = N/(1 − γ) · (S + γ/(1 − γ) tr(S)/D I)⁻¹."""
    return rows / (1 - shrinkage), shrinkage / (1 - shrinkage) * trace / width
