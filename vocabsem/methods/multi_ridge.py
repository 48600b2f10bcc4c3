"""Ridge regression of each label by itself, around the score of its label word: any number of labels per text."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri

from vocabsem.arrays import Floats, Ints, check_indicator, check_states, weighted_mean_and_std
from vocabsem.errors import DataError
from vocabsem.label_kinds import LabelKind
from vocabsem.label_space import LabelSpace, Targets
from vocabsem.methods._solvers.cumulative_logit import fit_thresholds
from vocabsem.methods._solvers.directions import KINDS, directions
from vocabsem.methods._solvers.label_ridge import best_threshold, ridge_by_label
from vocabsem.methods._solvers.prior_ridge import ALPHAS, PriorRidge
from vocabsem.methods._standardized import StandardizedMethod
from vocabsem.methods.base import WeightedMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["MultiRidge"]


class MultiRidge(WeightedMethod, StandardizedMethod):
    """P(label l) = σ(k_l (u_l − θ_l)), u_l = β_l s_l + z w_l + b_l a least-squares estimate of whether l is there.

    s_l = z_L t_l is the score of the label word against the other words, t_l its unit target minus the mean of all and
    z_L the last layer of z; it has mean 0 and unit deviation over the training texts. w and β average over penalties
    and weights by exact leave-one-out errors, for each label alone; k and θ are Platt's (1999), with u of each row
    estimated from the others. A label is predicted from the probability on that has the highest F1 on those rows.

    Without labels u = s, k = 1 and θ = Φ⁻¹(1 − 1/L), predicted from one half on: as if texts had one label each, all as
    frequent, and scores were normal. A label that all labeled rows have, or none, is predicted so too; without words
    (targets none) it is then predicted always or never.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    targets : {"anchors", "head", "both", "random", "none"}, default="anchors"
        What t is made of; random takes Gaussian directions, none is s = 0.
    layers : int, default=1
        How many layers X holds side by side.
    alphas, prior_weights : sequence of float
        Penalties λ and weights β that are averaged over; the estimated label has unit deviation.
    prior_smoothing : float, default=0.02
        The density of β is β + prior_smoothing: without evidence, keep to the words.
    sharpness, sharpness_deviation : float, default=2, 1
        The prior on log k_l is normal around log sharpness with this deviation.
    random_state : int, default=0
        Draws random targets.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by; z has about unit length.
    coef_ : ndarray of shape (D, L), float64
        Of P = σ(z coef_ + intercept_).
    intercept_ : ndarray of shape (L,), float64
    thresholds_ : ndarray of shape (L,), float64
        The probability from which on a label is predicted.

    Examples
    --------
    >>> import numpy as np
    >>> from vocabsem import LabelSpace, MultiRidge
    >>> space = LabelSpace(np.eye(2), np.eye(2), np.zeros(2))
    >>> X, Y = [[0, 0], [0, 3], [3, 0], [3, 3]], [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> MultiRidge(space, targets="none").fit(X, Y).predict(X).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """

    name = "multi_ridge"
    label_kinds: ClassVar[tuple[LabelKind, ...]] = ("multi",)
    works_without_labels = True
    needs_space = True
    fit_copies = (10.0, 4.0)
    temperature_folds = 0
    takes_random_state = True
    positive = ("alphas", "prior_smoothing", "sharpness", "sharpness_deviation")
    choices: ClassVar = {"targets": tuple(KINDS)}

    space: LabelSpace
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    thresholds_: NDArray[np.float64]

    def __init__(
        self,
        space: LabelSpace,
        *,
        targets: Targets | Literal["both", "none"] = "anchors",
        layers: int = 1,
        alphas: Sequence[float] = ALPHAS,
        prior_weights: Sequence[float] = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0),
        prior_smoothing: float = 0.02,
        sharpness: float = 2.0,
        sharpness_deviation: float = 1.0,
        random_state: int = 0,
    ) -> None:
        super().__init__(space, layers=layers)
        self.targets = targets
        self.alphas = alphas
        self.prior_weights = prior_weights
        self.prior_smoothing = prior_smoothing
        self.sharpness = sharpness
        self.sharpness_deviation = sharpness_deviation
        self.random_state = random_state

    def _read(self, X: ArrayLike, y: ArrayLike | None) -> tuple[Floats, Ints]:
        states = check_states(X, self.space.width * self.layers, self.name)
        self.classes_ = np.arange(self.space.classes)
        if y is None:
            if self.targets == "none":
                raise DataError(f"{self.name}: targets='none' learns from labels alone: give some, or other targets")
            return states, np.empty((0, self.space.classes), np.int64)
        return states, check_indicator(y, len(states), self.space.classes, self.name)

    def _fit(
        self, states: Floats, labels: Ints, background: Floats, weights: NDArray[np.float64] | None = None
    ) -> None:
        self._standardize(background)
        axes, offsets = self._by_words(background)
        self.coef_ = axes.copy()
        self.intercept_ = offsets - ndtri(1 - 1 / self.space.classes)
        self.thresholds_ = np.full(self.space.classes, 0.5)
        if len(labels) == 0:
            return
        share, unit = weighted_mean_and_std(labels, weights)
        if self.targets == "none":
            self.intercept_ = logit((labels.sum(axis=0) + 1) / (len(labels) + 2))
            self.thresholds_ = np.where(labels.all(axis=0), 0.0, np.inf)
        learned = labels.any(axis=0) & ~labels.all(axis=0)
        z, y = self._standardized(states), (labels - share)[:, learned] / unit[learned]
        prior = z @ axes[:, learned] + offsets[learned]
        settings = PriorRidge(
            alphas=self.alphas, prior_weights=self.prior_weights, prior_smoothing=self.prior_smoothing
        )
        with thread_limits(1, "blas"):
            fit = ridge_by_label(z, prior, y, settings, weights)
        coef = fit.weights + fit.prior_weight * axes[:, learned]
        intercepts = fit.intercept + fit.prior_weight * offsets[learned]
        for column, label in enumerate(np.flatnonzero(learned)):
            there, held_out = labels[:, label].astype(bool), fit.held_out[:, column]
            scale = float(weighted_mean_and_std(held_out, weights)[1]) or 1.0
            sharpness, (middle,) = fit_thresholds(
                held_out / scale,
                there.astype(np.int64),
                2,
                sharpness=self.sharpness,
                deviation=self.sharpness_deviation,
                weights=weights,
            )
            self.coef_[:, label] = coef[:, column] * sharpness / scale
            self.intercept_[label] = (intercepts[column] / scale - middle) * sharpness
            best = best_threshold(held_out, there, weights)
            self.thresholds_[label] = expit(sharpness * (best / scale - middle))

    def _by_words(self, background: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return A (D, L) and c (L,): s = z A + c has mean 0 and unit deviation over the background."""
        axes = np.zeros((background.shape[1], self.space.classes))
        axes[-self.space.width :] = directions(self.space, self.targets, self.random_state).T
        scores = self._standardized(background) @ axes
        unit = scores.std(axis=0)
        axes = axes / np.where(unit > 0, unit, 1.0)
        return axes, -(self._standardized(background) @ axes).mean(axis=0)

    def _logits(self, states: Floats) -> Floats:
        return self._standardized(states) @ self.coef_ + self.intercept_

    def _probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(expit(logits))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return which labels are predicted.

        Parameters
        ----------
        X : array of shape (N, d)
            States.

        Returns
        -------
        ndarray of shape (N, L), int64
            1 where a label is predicted, else 0.
        """
        return np.asarray(self.predict_proba(X) >= self.thresholds_, np.int64)

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of an estimator."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.classifier_tags.multi_class = False
        return tags
