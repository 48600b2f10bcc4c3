"""Hidden-state optimization: one shift of all states, found by gradient steps on the labeled ones."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Floats, Ints, Method

STEPS = (0, 1, 3, 10, 30, 100, 300)  # 0: the model's own answer
SIZES = (0.1, 1.0)  # of a step, as shares of the longest that is safe
FOLDS = 5
USUAL = (10, 1.0)  # with fewer than two rows a fold


class StateOptimization(Method):
    """softmax over the label words of the model's logits at h + δ, with one δ (d,) for every state.

    Yoshida & Gimpel 2021 ("Reconsidering the Past") move hidden states by gradient steps at prediction time, on a loss
    of the text itself. Here, few-shot, the loss is the mean cross-entropy of the labeled examples: δ starts at 0 and

        δ ← δ − η · mean over i of ∂ −log softmax(own logits(h_i + δ))[y_i] / ∂δ

    is repeated; at prediction δ is added, without further steps. The number of steps and η have the largest likelihood
    in 5-fold cross-validation on the training rows. η is a share of 2/‖scale · W‖², W the label words' rows: the
    curvature of the loss is at most the inverse, so no step overshoots (a soft-cap may bend it a little more). Only the
    last layer is moved: through a linear head δ gives each label word a bias, within what the rows can express.
    """

    name = "state_optimization"

    shift_: NDArray[np.float64]
    steps_: int
    size_: float

    def __init__(self, space: LabelSpace) -> None:
        self.space = space

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        logits = self.space.linear_logits(states)
        self.steps_, self.size_ = USUAL
        if len(labels) >= 2 * FOLDS:
            self.steps_, self.size_ = self._choose(logits, labels)
        self.shift_ = self._shifts(logits, labels, self.size_)[self.steps_]

    def _choose(self, logits: Floats, labels: Ints) -> tuple[int, float]:
        fold = np.empty(len(labels), np.int64)
        fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS  # each class shared out
        cost = {(steps, size): 0.0 for size in SIZES for steps in STEPS}
        for number in range(FOLDS):
            held_out = fold == number
            for size in SIZES:
                for steps, shift in self._shifts(logits[~held_out], labels[~held_out], size).items():
                    log_p = log_softmax(self._moved(logits[held_out], shift), axis=1)
                    cost[steps, size] -= log_p[np.arange(len(log_p)), labels[held_out]].sum()
        return min(cost, key=lambda choice: cost[choice])

    def _shifts(self, logits: Floats, labels: Ints, size: float) -> dict[int, NDArray[np.float64]]:
        """Logits (N, C) before a cap at δ = 0, labels (N,) → δ (d,) after each number of steps."""
        head = self.space.head.astype(np.float64) * self.space.scale
        rate = size * 2 / max(float(np.linalg.norm(head, 2)) ** 2, 1e-12)
        observed, shift = np.eye(self.space.classes)[labels], np.zeros(self.space.width)
        found = {0: shift}
        for step in range(1, max(STEPS) + 1):
            moved = self._moved(logits, shift)
            excess = softmax(moved, axis=1) - observed
            if self.space.softcap is not None:
                excess *= 1 - (moved / self.space.softcap) ** 2  # the cap's slope
            shift = shift - rate * (excess.mean(axis=0) @ head)
            found[step] = shift
        return {step: found[step] for step in STEPS}

    def _moved(self, logits: Floats, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.space.cap(logits + self.space.scale * (self.space.head @ shift))

    def _logits(self, states: Floats) -> Floats:
        return self._moved(self.space.linear_logits(states), self.shift_)
