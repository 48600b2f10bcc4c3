"""Our calibrator: similarity to the anchors is the prior, a residual learned from the labels moves away from it."""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import CardError
from vocabsem.methods.base import Floats, Ints, Method, check_states, mean_and_deviation, unit_rows
from vocabsem.methods.labels import LabelSpace, Targets, in_place_of_anchors
from vocabsem.methods.logistic import Linear, choose_and_fit


class VocabularyCalibrator(Method):
    """Standardised states, moved towards the anchors by a linear residual that starts at nothing.

    With k layers h_1..h_k of a state, z_l = (h_l − μ_l)/σ_l (mean and deviation of the training states, labels
    unused), z̄ their average, ŝ_c the unit target of class c, and τ the scale:

        t       = z̄/‖z̄‖ + Σ_l R_l z_l          the calibrated state (`transform`)
        logit_c = τ ŝ_c · t + b_c               untrained: τ cos(z̄, s_c), the paper's similarity with a scale
        loss    = Σ_i −log softmax(logit_i)[y_i] + λ/2 ‖W‖²,   W_l = √k τ (ŝ R_l)ᵀ, (d, C)

    Only the part of R that the label words can see matters, so W is learned and R is the smallest residual that has
    it. The penalty is a Gaussian prior centred on the vocabulary's own answer: the loss is a sum over examples and λ
    is not, so the prior rules at few shots and fades as labels grow. The loss is convex: one minimum, found by
    L-BFGS, whatever the seed. λ is chosen by cross-validation on the training rows (`logistic.choose_and_fit`; there
    the seed deals the folds).

    targets: "head" or "random" put a control in the anchors' place. Without the similarity term this is the
    LinearProbe, so the difference between the two is what the vocabulary gives.
    """

    name = "vocabulary_calibrator"
    trains = True
    uses_anchors = True
    choices: ClassVar = {"targets": ("anchors", "head", "random")}

    mean_: NDArray[np.float32]
    deviation_: NDArray[np.float32]
    weights_: NDArray[np.float32]
    intercepts_: NDArray[np.float32]
    penalty_: float

    def __init__(
        self,
        space: LabelSpace,
        *,
        targets: Targets = "anchors",
        layers: int = 1,
        scale: float = 10.0,
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.space = space
        self.targets = targets
        self.layers = layers
        self.scale = scale
        self.folds = folds
        self.seed = seed

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise CardError(f"vocabulary_calibrator: scale is {self.scale}, expected a positive number")
        self.mean_, deviation = mean_and_deviation(background)
        self.deviation_ = deviation * np.float32(self.layers**0.5)
        z = self._standardised(states)
        found = choose_and_fit(z, self._similarity(z), labels, folds=self.folds, seed=self.seed)
        self.weights_, self.intercepts_, self.penalty_ = found.weights, found.intercepts, found.penalty

    def _standardised(self, states: Floats) -> Floats:
        return (states - self.mean_) / self.deviation_  # (N, k·d), each layer divided by √k

    def _targets(self) -> Floats:
        return unit_rows(in_place_of_anchors(self.space, self.targets, self.seed))

    def _directions(self, z: Floats) -> Floats:
        return unit_rows(z.reshape(len(z), self.layers, self.space.width).mean(axis=1))

    def _similarity(self, z: Floats) -> Floats:
        return np.float32(self.scale) * self._directions(z) @ self._targets().T

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """States (N, k·d) → calibrated states t (N, d) float32, for which τ ŝ_c · t + b_c is the logit of class c."""
        z = self._standardised(check_states(X, self.n_features_in_, self.name))
        wanted = self.weights_.T / np.float32(self.scale)  # (C, k·d)
        residual, *_ = np.linalg.lstsq(self._targets(), wanted, rcond=None)  # (d, k·d)
        return np.asarray(self._directions(z) + z @ residual.T, np.float32)

    def _logits(self, states: Floats) -> Floats:
        z = self._standardised(states)
        return Linear(self.weights_, self.intercepts_, self.penalty_).logits(z, self._similarity(z))
