"""Ridge regression of the classes on standardized states: closed form, with exact leave-one-out errors."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from vocabsem.arrays import Floats, Ints, mean_and_deviation
from vocabsem.blocks import block_slices
from vocabsem.errors import TrainingFailed
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.principal_axes import axes_of_gram, principal_axes
from vocabsem.methods._solvers.transformed_rows import Rows, TransformedRows
from vocabsem.methods.base import WeightedMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["RidgeProbe", "ridge"]

ALPHAS = tuple(10 ** (power / 4) for power in range(21))


class RidgeProbe(WeightedMethod):
    """softmax(β ŷ), ŷ = z W + b the least-squares estimate of the one-hot labels with penalty λ‖W‖².

    z = (h − μ)/σ with the mean and deviation of the training states. λ minimizes N/2 · log E(λ) + ½ (log λ/300)², E the
    squared error over the N labeled rows, each estimated from the others: with few rows the prior on λ decides, with
    many the data do. With the hat matrix H, a row's error without itself is (y_i − ŷ_i)/(1 − H_ii), so one
    eigendecomposition serves all λ. The inverse temperature β has the largest likelihood of the same leave-one-out
    estimates, under a log-normal prior around 5.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side; z is divided by √layers.
    alphas : sequence of float, default=21 from 1 to 1e5, evenly in log λ
        λ among which one is chosen.
    alpha_prior : float, default=300
        λ without data to choose by: the prior on log λ is normal around it with deviation 1.
    sharpness_prior : float, default=5
        β likewise.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        μ, and σ √layers.
    coef_ : ndarray of shape (D, C), float64
        W, the transpose of scikit-learn's.
    intercept_ : ndarray of shape (C,), float64
        b.
    alpha_ : float
        λ as chosen.
    sharpness_ : float
        β.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import RidgeProbe
    >>> RidgeProbe().fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "ridge"
    fit_copies = (4.0, 0.3)
    fits_in_blocks = True
    takes_layers = True
    temperature_folds = 0
    needs_space = False
    positive: ClassVar[tuple[str, ...]] = ("alphas", "alpha_prior", "sharpness_prior")

    mean_: NDArray[np.float32]
    scale_: NDArray[np.float32]
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    alpha_: float
    sharpness_: float

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        layers: int = 1,
        alphas: Sequence[float] = ALPHAS,
        alpha_prior: float = 300.0,
        sharpness_prior: float = 5.0,
    ) -> None:
        self.space = space
        self.layers = layers
        self.alphas = alphas
        self.alpha_prior = alpha_prior
        self.sharpness_prior = sharpness_prior

    def _fit(
        self, states: Floats, labels: Ints, background: Floats, weights: NDArray[np.float64] | None = None
    ) -> None:
        self.mean_, deviation = mean_and_deviation(background)
        self.scale_ = deviation * np.float32(self.layers**0.5)
        z, y = TransformedRows(states, self._standardized), np.eye(len(self.classes_))[labels]
        with thread_limits(1, "blas"):
            result = ridge(z, y, np.asarray(self.alphas, np.float64), self.alpha_prior, weights)
        self.coef_, self.intercept_, self.alpha_, estimates = result
        self.sharpness_ = _sharpness(estimates, labels, self.sharpness_prior, weights)

    def _standardized(self, states: Floats) -> Floats:
        return ((states - self.mean_) / self.scale_).astype(np.float64)

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(self.sharpness_ * (self._standardized(states) @ self.coef_ + self.intercept_))


def ridge(
    z: Rows,
    y: Floats,
    alphas: NDArray[np.float64],
    alpha_prior: float,
    weights: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, NDArray[np.float64]]:
    """Solve ridge regression for the λ that the leave-one-out errors and the prior choose.

    Minimizes Σ_i ω_i ‖y_i − z_i W − b‖² + λ‖W‖². Rows times √ω have the same solution without weights. The columns are
    rotated onto the principal axes of the centered rows, where the normal equations are diagonal. Where there are more
    rows than columns, blocks of them add up to the moments, and one block at a time is held.

    Parameters
    ----------
    z : ndarray of shape (N, D), float64
        Rows.
    y : ndarray of shape (N, C)
        One-hot labels.
    alphas : ndarray of float64
        λ among which one is chosen.
    alpha_prior : float
        λ without data to choose by.
    weights : ndarray of shape (N,), float64, optional
        ω, of mean 1; a row's error weighs as much in the choice of λ.

    Returns
    -------
    tuple
        W (D, C), b (C,), the chosen λ, and leave-one-out estimates (N, C).

    Raises
    ------
    TrainingFailed
        Rows that are not finite.

    Examples
    --------
    >>> z, y = np.array([[-1.0], [1.0]]), np.eye(2)
    >>> weights, intercept, alpha, _ = ridge(z, y, np.array([2.0]), 300.0)
    >>> weights, intercept, alpha
    (array([[-0.25,  0.25]]), array([0.5, 0.5]), 2.0)
    """
    (n, width), mass = z.shape, np.ones(len(z)) if weights is None else weights
    root, blocks = np.sqrt(mass)[:, None], block_slices(z) if n > width else [slice(0, n)]
    with np.errstate(invalid="ignore"):
        center = sum((mass[rows] @ z[rows] for rows in blocks), np.zeros(width)) / mass.sum()
    if not np.isfinite(center).all():
        raise TrainingFailed("ridge: standardized states became infinite: check the scale of the states")
    mean = mass @ y / mass.sum()
    y = (y - mean) * root

    def centered(rows: slice) -> NDArray[np.float64]:
        return np.asarray((z[rows] - center) * root[rows])

    if n > width:
        gram, products = np.zeros((width, width)), np.zeros((width, y.shape[1]))
        for rows in blocks:
            block = centered(rows)
            gram += block.T @ block
            products += block.T @ y[rows]
        variance, axes = axes_of_gram(gram)
    else:
        block = centered(blocks[0])
        variance, axes = principal_axes(block)
        products = block.T @ y
    covariance = axes.T @ products  # (r, C)
    shrunk = 1 / (variance[:, None] + alphas)  # (r, Λ)

    def residuals(rows: slice, candidates: Sequence[int]) -> Iterator[NDArray[np.float64]]:
        """Yield the leave-one-out errors (b, C) of some rows, times √ω, for each λ of these numbers."""
        columns = centered(rows) @ axes  # (b, r), orthogonal over all rows
        leverage = root[rows] ** 2 / n + columns**2 @ shrunk  # (b, Λ), the ω/N for the intercept
        for index in candidates:
            missed = y[rows] - columns @ (covariance * shrunk[:, [index]])
            yield missed / (1 - leverage[:, [index]])

    each = [[(missed**2).sum() for missed in residuals(rows, range(len(alphas)))] for rows in blocks]
    errors = np.sum(each, axis=0)
    best = int((0.5 * n * np.log(errors) + 0.5 * np.log(alphas / alpha_prior) ** 2).argmin())
    coef = axes @ (covariance * shrunk[:, [best]])
    missed = np.concatenate([missed for rows in blocks for missed in residuals(rows, [best])])
    return coef, mean - center @ coef, float(alphas[best]), (y - missed) / root + mean


def _sharpness(
    estimates: NDArray[np.float64], labels: Ints, prior: float, weights: NDArray[np.float64] | None
) -> float:
    def cost(log_beta: float) -> float:
        log_p = log_softmax(np.exp(log_beta) * estimates, axis=1)
        of_labels = log_p[np.arange(len(labels)), labels]
        likelihood = of_labels.sum() if weights is None else weights @ of_labels
        return float(0.5 * (log_beta - np.log(prior)) ** 2 - likelihood)

    return float(np.exp(minimize_scalar(cost, bounds=(np.log(0.1), np.log(100)), method="bounded").x))
