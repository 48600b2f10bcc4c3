"""Ridge regression of ranks, for classes in order."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints, weighted_mean_and_std
from vocabsem.label_kinds import LabelKind
from vocabsem.label_space import LabelSpace, Targets
from vocabsem.methods._solvers.cumulative_logit import fit_thresholds, log_probabilities
from vocabsem.methods._solvers.directions import KINDS, directions
from vocabsem.methods._solvers.prior_ridge import ALPHAS, PriorRidge, ridge_with_prior
from vocabsem.methods._standardized import StandardizedMethod
from vocabsem.methods.base import WeightedMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["OrdinalRidge"]


class OrdinalRidge(WeightedMethod, StandardizedMethod):
    """P(class ≤ c) = σ(k (θ_c − u)), u = z w the least-squares estimate of the class's rank 0..C-1, all on one axis.

    The penalty ‖w − β v‖² draws w to v = Σ_c (c − (C − 1)/2) t_c, the axis of the label words in their order, such as
    from *terrible* to *great*: t_c is the unit target of word c, and the answer z_L v of the last layer is brought to
    unit deviation. w averages over penalties and β by exact leave-one-out errors (`prior_ridge`). The thresholds θ
    and k are those of proportional odds (McCullagh, 1980) that make the labels most probable, u of each row estimated
    from the others.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words, in the order of the classes; without one, labels alone decide.
    targets : {"anchors", "head", "both", "random", "none"}, default="anchors"
        What v is made of; random takes Gaussian directions, none is v = 0.
    layers : int, default=1
        How many layers X holds side by side.
    intercept_scaling : float, default=0.3
        The constant of z, beside rows of about unit length.
    alphas, prior_weights : sequence of float
        Penalties λ and weights β that w averages over.
    prior_smoothing : float, default=0.02
        The density of β is β + prior_smoothing: without evidence, keep to the axis.
    sharpness, sharpness_deviation : float, default=2, 1
        The prior on log k is normal around log sharpness with this deviation.
    random_state : int, default=0
        Draws random targets.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by; z has about unit length.
    coef_ : ndarray of shape (D + 1,), float64
        w, for u of unit deviation over the labeled rows; the last entry is of the constant.
    thresholds_ : ndarray of shape (C - 1,), float64
        θ, ascending.
    sharpness_ : float
        k.

    Examples
    --------
    >>> import numpy as np
    >>> from vocabsem import OrdinalRidge
    >>> X, y = np.arange(12.0).reshape(6, 2), [1, 1, 2, 2, 3, 3]
    >>> OrdinalRidge().fit(X, y).predict(X).tolist()
    [1, 1, 2, 2, 3, 3]
    """

    name = "ordinal_ridge"
    label_kinds: ClassVar[tuple[LabelKind, ...]] = ("ordinal",)
    fit_copies = (4.0, 2.0)
    temperature_folds = 0
    takes_random_state = True
    positive = ("intercept_scaling", "alphas", "prior_smoothing", "sharpness", "sharpness_deviation")
    choices: ClassVar = {"targets": tuple(KINDS)}

    coef_: NDArray[np.float64]
    thresholds_: NDArray[np.float64]
    sharpness_: float

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        targets: Targets | Literal["both", "none"] = "anchors",
        layers: int = 1,
        intercept_scaling: float = 0.3,
        alphas: Sequence[float] = ALPHAS,
        prior_weights: Sequence[float] = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0),
        prior_smoothing: float = 0.02,
        sharpness: float = 2.0,
        sharpness_deviation: float = 1.0,
        random_state: int = 0,
    ) -> None:
        super().__init__(space, layers=layers)
        self.targets = targets
        self.intercept_scaling = intercept_scaling
        self.alphas = alphas
        self.prior_weights = prior_weights
        self.prior_smoothing = prior_smoothing
        self.sharpness = sharpness
        self.sharpness_deviation = sharpness_deviation
        self.random_state = random_state

    def _fit(
        self, states: Floats, labels: Ints, background: Floats, weights: NDArray[np.float64] | None = None
    ) -> None:
        self._standardize(background)
        z, axis = self._with_constant(states), self._axis(background)
        mean, unit = weighted_mean_and_std(labels, weights)
        ranks = (labels - mean) / unit
        root = np.ones((len(z), 1), np.float32) if weights is None else np.sqrt(weights).astype(np.float32)[:, None]
        halves = np.array([-0.5, 0.5])  # a rank as two centered columns, as `ridge_with_prior` takes labels
        settings = PriorRidge(
            alphas=self.alphas,
            prior_weights=self.prior_weights,
            intercept_scales=(1.0,),
            prior_smoothing=self.prior_smoothing,
        )
        with thread_limits(1, "blas"):
            fit = ridge_with_prior(
                z * root, np.outer(z @ axis, halves) * root, np.outer(ranks, halves) * root, settings
            )
        left_out = (fit.held_out / root) @ halves * 2
        scale = float(weighted_mean_and_std(left_out, weights)[1]) or 1.0
        self.coef_ = (fit.prior_weight * axis + fit.weights.astype(np.float64) @ halves * 2) / scale
        self.sharpness_, self.thresholds_ = fit_thresholds(
            left_out / scale,
            labels,
            len(self.classes_),
            sharpness=self.sharpness,
            deviation=self.sharpness_deviation,
            weights=weights,
        )

    def _axis(self, background: Floats) -> NDArray[np.float64]:
        """Return v (D + 1,), with z v of unit deviation over the background; zeros without label words."""
        axis = np.zeros(background.shape[1] + 1)
        if self.space is not None:
            ranks = np.arange(self.space.classes) - (self.space.classes - 1) / 2
            axis[-1 - self.space.width : -1] = ranks @ directions(self.space, self.targets, self.random_state)
        return axis / (float((self._with_constant(background) @ axis).std()) or 1.0)

    def _with_constant(self, states: Floats) -> Floats:
        z = self._standardized(states)
        return np.hstack([z, np.full((len(z), 1), self.intercept_scaling, np.float32)])

    def _logits(self, states: Floats) -> Floats:
        return log_probabilities(self._with_constant(states) @ self.coef_, self.sharpness_, self.thresholds_)
