"""Ridge regression of the classes on standardized states: closed form, with exact leave-one-out errors."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from vocabsem.errors import TrainingFailed
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.principal_axes import principal_axes
from vocabsem.methods.base import Floats, Ints, Method, mean_and_deviation
from vocabsem.parallel import thread_limits

PENALTIES = np.logspace(0, 5, 21)  # λ
USUAL = 300.0  # λ without data to choose by: the prior on log λ is normal around it with deviation 1
SHARPNESS = 5.0  # β likewise
BLOCK = 4096  # rows rotated at a time


class Ridge(Method):
    """softmax(β ŷ), ŷ = z W + b the least-squares estimate of the one-hot labels with penalty λ‖W‖².

    z = (h − μ)/σ with the mean and deviation of the training states, divided by √(layers) where X holds several side
    by side. λ minimizes N/2 · log E(λ) + ½ (log λ/300)², E the squared error over the N labeled rows, each estimated
    from the others: with few rows the prior on λ decides, with many the data do. With the hat matrix H, a row's error
    without itself is (y_i − ŷ_i)/(1 − H_ii), so one eigendecomposition serves all λ. The inverse temperature β has the
    largest likelihood of the same leave-one-out estimates, under a log-normal prior around 5.
    """

    name = "ridge"
    takes_layers = True
    temperature_folds = 0
    needs_space = False

    mean_: NDArray[np.float32]
    deviation_: NDArray[np.float32]
    weights_: NDArray[np.float64]
    intercepts_: NDArray[np.float64]
    penalty_: float
    sharpness_: float

    def __init__(self, space: LabelSpace | None = None, *, layers: int = 1) -> None:
        self.space = space  # type: ignore[assignment]
        self.layers = layers

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self.mean_, deviation = mean_and_deviation(background)
        self.deviation_ = deviation * np.float32(self.layers**0.5)
        z, y = self._standardized(states), np.eye(len(self.classes_))[labels]
        with thread_limits(1, "blas"):
            self.weights_, self.intercepts_, self.penalty_, estimates = ridge(z, y, PENALTIES)
        self.sharpness_ = _sharpness(estimates, labels)

    def _standardized(self, states: Floats) -> Floats:
        return ((states - self.mean_) / self.deviation_).astype(np.float64)

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(self.sharpness_ * (self._standardized(states) @ self.weights_ + self.intercepts_))


def ridge(
    z: Floats, y: Floats, penalties: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, NDArray[np.float64]]:
    """z (N, D) float64, y (N, C) → weights (D, C), intercepts (C,), the chosen λ, leave-one-out estimates (N, C).

    Minimizes ‖y − z W − b‖² + λ‖W‖² for the λ of `penalties` that the leave-one-out errors and the prior choose. The
    columns are rotated onto the principal axes of the centered rows, where the normal equations are diagonal.
    Raises TrainingFailed on rows that are not finite.
    """
    if not np.isfinite(z).all():
        raise TrainingFailed("ridge: standardized states became infinite: check the scale of the states")
    center, mean = z.mean(axis=0), y.mean(axis=0)
    z, y = z - center, y - mean
    variance, axes = principal_axes(z)
    covariance = axes.T @ (z.T @ y)  # (r, C)
    shrunk = 1 / (variance[:, None] + penalties)  # (r, Λ)
    residuals = np.empty((len(penalties), *y.shape))
    for start in range(0, len(z), BLOCK):
        rows = slice(start, start + BLOCK)
        columns = z[rows] @ axes  # (b, r), orthogonal over all rows
        leverage = 1 / len(z) + columns**2 @ shrunk  # (b, Λ), the 1/N for the intercept
        for place in range(len(penalties)):
            missed = y[rows] - columns @ (covariance * shrunk[:, [place]])
            residuals[place, rows] = missed / (1 - leverage[:, [place]])
    errors = (residuals**2).sum(axis=(1, 2))
    best = int((0.5 * len(z) * np.log(errors) + 0.5 * np.log(penalties / USUAL) ** 2).argmin())
    weights = axes @ (covariance * shrunk[:, [best]])
    return weights, mean - center @ weights, float(penalties[best]), y + mean - residuals[best]


def _sharpness(estimates: NDArray[np.float64], labels: Ints) -> float:
    def cost(log_beta: float) -> float:
        log_p = log_softmax(np.exp(log_beta) * estimates, axis=1)
        return float(0.5 * (log_beta - np.log(SHARPNESS)) ** 2 - log_p[np.arange(len(labels)), labels].sum())

    return float(np.exp(minimize_scalar(cost, bounds=(np.log(0.1), np.log(100)), method="bounded").x))
