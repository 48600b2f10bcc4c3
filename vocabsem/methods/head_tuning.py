"""Fine-tuning of the head rows of the label words, the body frozen."""

import numpy as np
from numpy.typing import NDArray

from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.logistic import Linear, choose_and_fit
from vocabsem.methods.base import Floats, Ints, Method


class HeadTuning(Method):
    """softmax of the model's own logits, each label word's head row w_c moved by δ_c and its bias by b_c.

    Σ −log softmax(own logits + (h − μ)·δ_c/ρ + b_c)[y] + λ/2 ‖δ‖² is convex: the penalty is a Gaussian prior around
    the head's own rows, the same in all directions of the states' space. μ, the mean of the training states, only moves
    what b_c has to learn; ρ, one number, is the root mean square of the centered states, so that λ means what it means
    in the linear probe, and is chosen as there. A soft-cap stays on the own logits; the change is added after it.
    """

    name = "head_tuning"
    takes_random_state = True
    trains = True

    mean_: NDArray[np.float32]
    spread_: float
    weights_: NDArray[np.float32]
    intercepts_: NDArray[np.float32]
    penalty_: float

    def __init__(self, space: LabelSpace, *, cv: int = 5, random_state: int = 0) -> None:
        self.space = space
        self.cv = cv
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        mean = background.mean(axis=0, dtype=np.float64)
        self.mean_ = mean.astype(np.float32)
        self.spread_ = float(np.sqrt(((background - mean) ** 2).mean())) or 1.0
        offset = self.space.label_logits(states).astype(np.float32)
        found = choose_and_fit(self._scaled(states), offset, labels, cv=self.cv, random_state=self.random_state)
        self.weights_, self.intercepts_, self.penalty_ = found.weights, found.intercepts, found.penalty

    def _scaled(self, states: Floats) -> Floats:
        return (states - self.mean_) / np.float32(self.spread_)

    def _logits(self, states: Floats) -> Floats:
        change = Linear(self.weights_, self.intercepts_, self.penalty_)
        return change.logits(self._scaled(states), self.space.label_logits(states))
