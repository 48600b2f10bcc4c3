"""Our calibrator: similarity to the anchors is the prior, a residual learned from the labels moves away from it."""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import CardError
from vocabsem.methods.base import Floats, Ints, Method, check_states, mean_and_deviation, unit_rows
from vocabsem.methods.committee import Committee, committee_logits, train_committee
from vocabsem.methods.labels import LabelSpace, Targets, in_place_of_anchors
from vocabsem.methods.logistic import choose_and_fit


class VocabularyCalibrator(Method):
    """Standardised states, moved towards the anchors by a residual that starts at nothing.

    With k layers h_1..h_k of a state, z_l = (h_l − μ_l)/σ_l (mean and deviation of the training states, labels
    unused), z̄ their average, z all of them side by side, ŝ_c the unit target of class c, and τ the scale:

        t       = z̄/‖z̄‖ + r(z)                the calibrated state (`transform`)
        logit_c = τ ŝ_c · t + b_c              untrained: τ cos(z̄, s_c), the paper's similarity with a scale

    Only what the label words see of the residual matters, so τ ŝ_c · r(z) is learned and r is the smallest residual
    that gives it. It has two parts, τ ŝ · r(z) = z W/√k + g(z)/2:

    1. W minimises Σ_i −log softmax(logit_i)[y_i] + λ/2 ‖W‖², with g = 0. The penalty is a Gaussian prior centred on
       the vocabulary's own answer: the loss is a sum over examples and λ is not, so the prior rules at few shots and
       fades as labels grow. Convex, solved by L-BFGS; λ is chosen by cross-validation on the training rows
       (`logistic.choose_and_fit`).
    2. g, a committee of small networks, then learns for ten epochs what W leaves over; half of it is taken
       (`committee.train_committee`). Ten epochs of few examples are few steps, so it too grows with the labels.

    targets: "head" or "random" put a control in the anchors' place; members=0 leaves out g. With neither similarity
    nor g this is the LinearProbe. The seed deals the folds and draws the committee's weights and batches.
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
    committee_: Committee

    def __init__(
        self,
        space: LabelSpace,
        *,
        targets: Targets = "anchors",
        layers: int = 1,
        scale: float = 10.0,
        folds: int = 5,
        members: int = 4,
        seed: int = 0,
    ) -> None:
        self.space = space
        self.targets = targets
        self.layers = layers
        self.scale = scale
        self.folds = folds
        self.members = members
        self.seed = seed

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise CardError(f"vocabulary_calibrator: scale is {self.scale}, expected a positive number")
        self.mean_, deviation = mean_and_deviation(background)
        self.deviation_ = deviation * np.float32(self.layers**0.5)
        z = self._standardised(states)
        similarity = self._similarity(z)
        found = choose_and_fit(z, similarity, labels, folds=self.folds, seed=self.seed)
        self.weights_, self.intercepts_, self.penalty_ = found.weights, found.intercepts, found.penalty
        so_far = found.logits(z, similarity)
        self.committee_ = train_committee(z, so_far, labels, members=self.members, seed=self.seed)

    def _standardised(self, states: Floats) -> Floats:
        return (states - self.mean_) / self.deviation_  # (N, k·d), each layer divided by √k

    def _targets(self) -> Floats:
        return unit_rows(in_place_of_anchors(self.space, self.targets, self.seed))

    def _directions(self, z: Floats) -> Floats:
        return unit_rows(z.reshape(len(z), self.layers, self.space.width).mean(axis=1))

    def _similarity(self, z: Floats) -> Floats:
        return np.float32(self.scale) * self._directions(z) @ self._targets().T

    def _residual(self, z: Floats) -> Floats:
        """τ ŝ_c · r(z), (N, C): what the label words see of the move."""
        return z @ self.weights_ + committee_logits(self.committee_, z)

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """States (N, k·d) → calibrated states t (N, d) float32: the logit of class c is τ ŝ_c · t + b_c."""
        z = self._standardised(check_states(X, self.n_features_in_, self.name))
        moves, *_ = np.linalg.lstsq(self._targets(), self._residual(z).T / np.float32(self.scale), rcond=None)  # (d, N)
        return np.asarray(self._directions(z) + moves.T, np.float32)

    def _logits(self, states: Floats) -> Floats:
        z = self._standardised(states)
        return self._similarity(z) + self._residual(z) + self.intercepts_
