"""Ridge regression of numbers on states, around the axis between two label words."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import r2_score
from sklearn.utils import RegressorTags
from sklearn.utils.validation import check_is_fitted

from vocabsem.arrays import Floats, check_states, weighted_mean_and_std
from vocabsem.errors import DataError
from vocabsem.label_kinds import LabelKind
from vocabsem.label_space import LabelSpace, Targets
from vocabsem.methods._solvers.directions import KINDS, directions
from vocabsem.methods._solvers.label_ridge import ridge_by_label
from vocabsem.methods._solvers.prior_ridge import ALPHAS, PriorRidge
from vocabsem.methods._standardized import StandardizedMethod
from vocabsem.methods.base import WeightedMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["RidgeRegression"]


class RidgeRegression(WeightedMethod, StandardizedMethod):
    """ŷ = m + β σ s + z w, s = z_L v the position between the two label words, such as from *terrible* to *great*.

    v = t_high − t_low is the difference of the words' unit targets and z_L the last layer of z; s has mean 0 and unit
    deviation over the training texts. With labels m, w and β average over penalties ‖w‖² and weights by exact
    leave-one-out errors, σ being the labels' deviation. Without labels w = 0, β = 1, and m and σ are mean and deviation
    of a uniform distribution between the numbers of the two words; labels of a single value or row move m alone.

    Parameters
    ----------
    space : LabelSpace
        The lower and the higher label word, with their numbers as `values`.
    targets : {"anchors", "head", "both", "random", "none"}, default="anchors"
        What v is made of; random takes Gaussian directions, none is v = 0: plain ridge regression.
    layers : int, default=1
        How many layers X holds side by side.
    alphas, prior_weights : sequence of float
        Penalties λ and weights β that are averaged over; labels have unit deviation.
    prior_smoothing : float, default=0.02
        The density of β is β + prior_smoothing: without evidence, keep to the words.
    random_state : int, default=0
        Draws random targets.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by; z has about unit length.
    coef_ : ndarray of shape (D,), float64
        Of ŷ = z coef_ + intercept_.
    intercept_ : float

    Examples
    --------
    >>> import numpy as np
    >>> from vocabsem import LabelSpace, RidgeRegression
    >>> space = LabelSpace(np.eye(2), np.eye(2), np.zeros(2), values=np.array([1.0, 5.0]))
    >>> X = np.array([[4.0, 0.0], [2.0, 2.0], [0.0, 4.0]])
    >>> RidgeRegression(space).fit(X).predict(X).round(2).tolist()
    [1.59, 3.0, 4.41]
    >>> RidgeRegression(space).fit(X, [0.0, 5.0, 10.0]).predict(X).round(1).tolist()
    [0.0, 5.0, 10.0]
    """

    name = "ridge_regression"
    label_kinds: ClassVar[tuple[LabelKind, ...]] = ("continuous",)
    works_without_labels = True
    needs_space = True
    fit_copies = (10.0, 4.0)
    temperature_folds = 0
    takes_random_state = True
    positive = ("alphas", "prior_smoothing")
    choices: ClassVar = {"targets": tuple(KINDS)}

    space: LabelSpace
    coef_: NDArray[np.float64]
    intercept_: float

    def __init__(
        self,
        space: LabelSpace,
        *,
        targets: Targets | Literal["both", "none"] = "anchors",
        layers: int = 1,
        alphas: Sequence[float] = ALPHAS,
        prior_weights: Sequence[float] = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0),
        prior_smoothing: float = 0.02,
        random_state: int = 0,
    ) -> None:
        super().__init__(space, layers=layers)
        self.targets = targets
        self.alphas = alphas
        self.prior_weights = prior_weights
        self.prior_smoothing = prior_smoothing
        self.random_state = random_state

    def _read(self, X: ArrayLike, y: ArrayLike | None) -> tuple[Floats, Any]:
        states = check_states(X, self.space.width * self.layers, self.name)
        if self.space.values is None or self.space.classes != 2:
            raise DataError(f"{self.name} goes from one label word to another: give a label space of two with `values`")
        self.classes_ = np.arange(2)
        if y is None:
            if self.targets == "none":
                raise DataError(f"{self.name}: targets='none' learns from labels alone: give some, or other targets")
            return states, np.empty(0)
        labels = np.asarray(y, np.float64)
        if labels.shape != (len(states),) or not np.isfinite(labels).all():
            raise DataError(f"{self.name}: labels {labels.shape}, expected ({len(states)},) finite numbers")
        return states, labels

    def _fit(self, states: Floats, labels: Any, background: Floats, weights: NDArray[np.float64] | None = None) -> None:
        self._standardize(background)
        axis, offset = self._axis(background)
        low, high = self.space.values  # type: ignore[misc]  # `_read` refuses a space without
        deviation = (high - low) / 12**0.5
        self.coef_, self.intercept_ = deviation * axis, float((low + high) / 2 + deviation * offset)
        if len(labels) == 0:
            return
        z = self._standardized(states)
        if not labels.std() > 1e-12 * np.abs(labels).max():
            missed = labels - z @ self.coef_ - self.intercept_
            self.intercept_ += float(np.average(missed, weights=weights))
            return
        mean, unit = weighted_mean_and_std(labels, weights)
        y = (labels - mean) / unit
        settings = PriorRidge(
            alphas=self.alphas, prior_weights=self.prior_weights, prior_smoothing=self.prior_smoothing
        )
        with thread_limits(1, "blas"):
            fit = ridge_by_label(z, (z @ axis + offset)[:, None], y[:, None], settings, weights)
        self.coef_ = unit * (fit.weights[:, 0] + fit.prior_weight[0] * axis)
        self.intercept_ = float(mean + unit * (fit.intercept[0] + fit.prior_weight[0] * offset))

    def _axis(self, background: Floats) -> tuple[NDArray[np.float64], float]:
        """Return v (D,) and an offset, with z v + offset of mean 0 and unit deviation over the background."""
        low, high = directions(self.space, self.targets, self.random_state)
        axis = np.zeros(background.shape[1])
        axis[-self.space.width :] = high - low
        scores = self._standardized(background) @ axis
        axis /= float(scores.std()) or 1.0
        return axis, -float((self._standardized(background) @ axis).mean())

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the predicted numbers.

        Parameters
        ----------
        X : array of shape (N, D)
            States.

        Returns
        -------
        ndarray of shape (N,), float64
        """
        check_is_fitted(self)
        states = check_states(X, self.n_features_in_, self.name)
        return np.asarray(self._standardized(states) @ self.coef_ + self.intercept_)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Refuse: numbers have no probabilities.

        Raises
        ------
        DataError
            Always.
        """
        raise DataError(f"{self.name} predicts numbers, which have no probabilities: call predict")

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return R² of the predictions.

        Parameters
        ----------
        X : array of shape (N, D)
            States.
        y : array of shape (N,)
            Numbers.
        sample_weight : array of shape (N,), optional
            Of the rows.

        Returns
        -------
        float
        """
        return float(r2_score(y, self.predict(X), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of an estimator: that it is a regressor."""
        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags, tags.regressor_tags = "regressor", None, RegressorTags()
        return tags
