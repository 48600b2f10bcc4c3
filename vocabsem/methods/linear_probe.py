"""Logistic regression on standardized states: what any linear reader finds in them, without the vocabulary."""

import numpy as np
from numpy.typing import NDArray

from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.logistic import Linear, choose_and_fit
from vocabsem.methods.base import Floats, Ints, Method, mean_and_deviation


class LinearProbe(Method):
    """softmax(z W + b), z = (h − μ)/σ with the mean and deviation of the training states, penalty λ/2 ‖W‖².

    λ (scikit-learn's 1/C) is chosen by cross-validation on the training rows. X may hold several layers side by side;
    z is then divided by √(layers), so that λ means the same.
    """

    name = "linear_probe"
    takes_layers = True
    takes_random_state = True
    needs_space = False
    trains = True

    mean_: NDArray[np.float32]
    deviation_: NDArray[np.float32]
    weights_: NDArray[np.float32]
    intercepts_: NDArray[np.float32]
    penalty_: float

    def __init__(self, space: LabelSpace | None = None, *, layers: int = 1, cv: int = 5, random_state: int = 0) -> None:
        self.space = space  # type: ignore[assignment]
        self.layers = layers
        self.cv = cv
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self.mean_, deviation = mean_and_deviation(background)
        self.deviation_ = deviation * np.float32(self.layers**0.5)
        z = (states - self.mean_) / self.deviation_
        found = choose_and_fit(z, self._no_offset(z), labels, cv=self.cv, random_state=self.random_state)
        self.weights_, self.intercepts_, self.penalty_ = found.weights, found.intercepts, found.penalty

    def _no_offset(self, z: Floats) -> Floats:
        return np.zeros((len(z), len(self.classes_)), np.float32)

    def _logits(self, states: Floats) -> Floats:
        z = (states - self.mean_) / self.deviation_
        return Linear(self.weights_, self.intercepts_, self.penalty_).logits(z, self._no_offset(z))
