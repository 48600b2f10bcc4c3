"""Hidden-state optimization: one shift of all states, learned by gradient steps on the labeled ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.folds import deal_folds
from vocabsem.methods.base import Method

__all__ = ["StateOptimization"]

STEPS = (0, 1, 3, 10, 30, 100, 300)
STEP_SIZES = (0.1, 1.0)


class StateOptimization(Method):
    """softmax over the label words of the model's logits at h + δ, with one δ (d,) for every state.

    Yoshida & Gimpel 2021 ("Reconsidering the Past") move hidden states by gradient steps at prediction time, on a loss
    of the text itself. Here, few-shot, the loss is the mean cross-entropy of the labeled examples: δ starts at 0 and

        δ ← δ − η · mean over i of ∂ −log softmax(own logits(h_i + δ))[y_i] / ∂δ

    is repeated; at prediction δ is added, without further steps. The number of steps and η have the largest likelihood
    in 5-fold cross-validation on the training rows. η is a share of 2/‖scale · W‖², W the label words' rows: the
    curvature of the loss is at most the inverse, so no step overshoots (a soft-cap may bend it a little more). Only the
    last layer is moved: through a linear head δ gives each label word a bias, within what the rows can express.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    steps : sequence of int, default=(0, 1, 3, 10, 30, 100, 300)
        Numbers of steps among which one is chosen; 0 is the zero-shot logits.
    step_sizes : sequence of float, default=(0.1, 1)
        η likewise, as shares of the longest that is safe.
    cv : int, default=5
        Folds that choose them.
    default_steps : int, default=10
        Steps with fewer than two rows a fold.
    default_step_size : float, default=1
        η likewise.

    Attributes
    ----------
    shift_ : ndarray of shape (d,), float64
        δ.
    n_iter_ : int
        Steps as chosen.
    step_size_ : float
        η as chosen.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> from vocabsem import StateOptimization
    >>> StateOptimization(space).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "state_optimization"
    fit_copies = (4.0, 0.3)
    positive = ("step_sizes", "cv", "default_step_size")

    space: LabelSpace
    shift_: NDArray[np.float64]
    n_iter_: int
    step_size_: float

    def __init__(
        self,
        space: LabelSpace,
        *,
        steps: Sequence[int] = STEPS,
        step_sizes: Sequence[float] = STEP_SIZES,
        cv: int = 5,
        default_steps: int = 10,
        default_step_size: float = 1.0,
    ) -> None:
        self.space = space
        self.steps = steps
        self.step_sizes = step_sizes
        self.cv = cv
        self.default_steps = default_steps
        self.default_step_size = default_step_size

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        logits = self.space.linear_logits(states)
        self.n_iter_, self.step_size_ = self.default_steps, self.default_step_size
        if len(labels) >= 2 * self.cv:
            self.n_iter_, self.step_size_ = self._choose(logits, labels)
        self.shift_ = self._shifts(logits, labels, self.step_size_, [self.n_iter_])[self.n_iter_]

    def _choose(self, logits: Floats, labels: Ints) -> tuple[int, float]:
        fold = deal_folds(labels, self.cv)
        cost = {(steps, size): 0.0 for size in self.step_sizes for steps in self.steps}
        for number in range(self.cv):
            held_out = fold == number
            for size in self.step_sizes:
                shifts = self._shifts(logits[~held_out], labels[~held_out], size, self.steps)
                for steps, shift in shifts.items():
                    log_p = log_softmax(self._moved(logits[held_out], shift), axis=1)
                    cost[steps, size] -= log_p[np.arange(len(log_p)), labels[held_out]].sum()
        return min(cost, key=lambda choice: cost[choice])

    def _shifts(
        self, logits: Floats, labels: Ints, size: float, steps: Sequence[int]
    ) -> dict[int, NDArray[np.float64]]:
        """Logits (N, C) before a cap at δ = 0, labels (N,) → δ (d,) after each number of steps."""
        head = self.space.head.astype(np.float64) * self.space.scale
        rate = size * 2 / max(float(np.linalg.norm(head, 2)) ** 2, 1e-12)
        observed, shift = np.eye(self.space.classes)[labels], np.zeros(self.space.width)
        shifts = {0: shift}
        for step in range(1, max(steps) + 1):
            moved = self._moved(logits, shift)
            excess = softmax(moved, axis=1) - observed
            if self.space.softcap is not None:
                excess *= 1 - (moved / self.space.softcap) ** 2  # the cap's derivative
            shift = shift - rate * (excess.mean(axis=0) @ head)
            shifts[step] = shift
        return {step: shifts[step] for step in steps}

    def _moved(self, logits: Floats, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.space.cap(logits + self.space.scale * (self.space.head @ shift))

    def _logits(self, states: Floats) -> Floats:
        return self._moved(self.space.linear_logits(states), self.shift_)
