"""A cache of labeled states added to the zero-shot logits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints, unit_rows
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.left_out import WEIGHTS, choose
from vocabsem.methods._standardized import PriorMethod

__all__ = ["TipAdapter"]

BETAS = (0.5, 1.0, 2.0, 5.5, 10.0)
ENTRIES = 2**22  # of a block of similarities


class TipAdapter(PriorMethod):
    """softmax(s (p + α Σ_i exp(−β (1 − cos(z, z_i))) y_i)): Zhang et al. 2022, "Tip-Adapter", ECCV, without training.

    p are the zero-shot logits of the prompt, centered over the training texts and of unit deviation; z_i are the
    labeled states with one-hot labels y_i. β, α relative to the deviation of the sum, and s have the largest likelihood
    of the labeled rows, each without its own entry of the cache.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    layers : int, default=1
        How many layers X holds side by side.
    betas : sequence of float, default=(0.5, 1, 2, 5.5, 10)
        β among which one is chosen; 5.5 is the paper's.
    weights : sequence of float, default=(0, 0.1, 0.2, 0.5, 1, 2, 5, 10)
        α among which one is chosen.
    sharpness, sharpness_deviation : float, default=0.6, 0.5
        The prior on log s is normal around log sharpness with this deviation.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    answer_mean_, answer_scale_ : ndarray of shape (C,) and float
        What p is standardized by.
    keys_ : ndarray of shape (N, D), float32
        z_i, of length one.
    values_ : ndarray of shape (N, C), float32
        s α y_i.
    beta_, sharpness_ : float
        β and s.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace, TipAdapter
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> TipAdapter(space).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "tip_adapter"
    fit_copies = (5.0, 0.3)
    temperature_folds = 0
    positive = ("betas", "sharpness", "sharpness_deviation")

    keys_: NDArray[np.float32]
    values_: NDArray[np.float32]
    beta_: float
    sharpness_: float

    def __init__(
        self,
        space: LabelSpace,
        *,
        layers: int = 1,
        betas: Sequence[float] = BETAS,
        weights: Sequence[float] = WEIGHTS,
        sharpness: float = 0.6,
        sharpness_deviation: float = 0.5,
    ) -> None:
        super().__init__(space, layers=layers)
        self.betas = betas
        self.weights = weights
        self.sharpness = sharpness
        self.sharpness_deviation = sharpness_deviation

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        self.keys_ = unit_rows(self._standardized(states)).astype(np.float32)
        self.values_ = np.eye(self.space.classes, dtype=np.float32)[labels]
        left_out = (self._affinity(self.keys_, beta) - self.values_ for beta in self.betas)  # exp(0) for itself
        index, self.sharpness_, slope = choose(
            left_out,
            labels,
            self._prior(states),
            self.weights,
            sharpness=self.sharpness,
            deviation=self.sharpness_deviation,
        )
        self.beta_, self.values_ = float(self.betas[index]), np.float32(slope) * self.values_

    def _affinity(self, rows: Floats, beta: float) -> Floats:
        """Σ_i exp(−β (1 − cos)) y_i, (N, C)."""
        step = max(1, ENTRIES // len(self.keys_))
        blocks = (rows[start : start + step] for start in range(0, max(1, len(rows)), step))
        return np.concatenate([np.exp(beta * (block @ self.keys_.T - 1)) @ self.values_ for block in blocks])

    def _logits(self, states: Floats) -> Floats:
        rows = unit_rows(self._standardized(states))
        return self.sharpness_ * self._prior(states) + self._affinity(rows, self.beta_)
