"""What methods over standardized states share: z = (h − μ)/(σ √D), the zero-shot logits as a prior, a sum of both."""

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, mean_and_deviation
from vocabsem.blocks import column_moments, row_blocks
from vocabsem.errors import DataError, TrainingFailed
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method


class StandardizedMethod(Method):
    """A method that reads rows z (N, D) of about unit length: μ and σ are those of the training texts."""

    takes_layers = True
    needs_space = False

    mean_: NDArray[np.float32]
    scale_: NDArray[np.float32]

    def __init__(self, space: LabelSpace | None = None, *, layers: int = 1) -> None:
        self.space = space
        self.layers = layers

    def _standardize(self, background: Floats) -> None:
        if len(background) == 0:
            raise DataError(f"{self.name}: no states to standardize with: give unlabeled states")
        self.mean_, deviation = mean_and_deviation(background)
        self.scale_ = deviation * np.float32(background.shape[1] ** 0.5)

    def _standardized(self, states: Floats) -> Floats:
        z = (states - self.mean_) / self.scale_
        if not np.isfinite(z).all():
            raise TrainingFailed(f"{self.name}: standardized states became infinite: check their scale")
        return z


class PriorMethod(StandardizedMethod):
    """One that also has the model's own logits l(h) of the label words (N, C) as a prior.

    p(h) = (l(h) − l̄)/ρ, without its mean over the classes: l̄ is the mean over the training texts, as in batch
    calibration, and ρ the deviation of what is left, so that p has unit deviation. l is read from the last layer.
    """

    needs_space = True

    space: LabelSpace
    answer_mean_: NDArray[np.float64]
    answer_scale_: float

    def _standardize(self, background: Floats) -> None:
        super()._standardize(background)
        self.answer_mean_, self.answer_scale_ = np.zeros(self.space.classes), 1.0
        mean, variance = column_moments(self._prior(block) for block in row_blocks(background))
        self.answer_mean_, self.answer_scale_ = mean, float(np.sqrt(variance.mean())) or 1.0

    def _prior(self, states: Floats) -> NDArray[np.float64]:
        logits = self.space.label_logits(states[:, -self.space.width :])
        logits -= logits.mean(axis=1, keepdims=True)
        return np.asarray((logits - self.answer_mean_) / self.answer_scale_)


class PriorPlusLinear(PriorMethod):
    """One whose logits are s p + z W + b."""

    sharpness_: float
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def _logits(self, states: Floats) -> Floats:
        return self.sharpness_ * self._prior(states) + self._standardized(states) @ self.coef_ + self.intercept_
