"""Dirichlet classes of the model's own probabilities, found by expectation maximization."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, log_softmax, polygamma, softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._standardized import PriorMethod

__all__ = ["EMDirichlet"]

FLOOR = 1e-6  # numerical: added to probabilities, whose logarithms are averaged
MAX_CONCENTRATION = 1e4  # numerical: a class without spread has no maximum


class EMDirichlet(PriorMethod):
    """P(c) ∝ π_c^λ Dir(q; a_c), q = softmax(sharpness · p): EM-Dirichlet (Martin et al., CVPR 2024).

    "Transductive Zero-Shot and Few-Shot CLIP". p are the zero-shot logits, centered over the training texts and of
    unit deviation. Expectation maximization over the texts' q and the labeled rows, which keep their classes, starts
    from q itself. The paper is transductive; here a and π are found on the training texts and test texts only read.
    Each step fits a by Minka's fixed point, ψ(a_c) = ψ(Σ a_c) + mean log q.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    layers : int, default=1
        How many layers X holds side by side; the last is read.
    sharpness : float, default=2
        Of q.
    share_weight : float, default=1
        λ; 1 is the likelihood of the mixture.
    max_iter : int, default=30
        Steps.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        Of the training texts.
    answer_mean_, answer_scale_ : ndarray of shape (C,) and float
        What p is standardized by.
    concentration_ : ndarray of shape (C, C), float64
        a, a row for each class.
    log_shares_ : ndarray of shape (C,), float64
        λ log π.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import EMDirichlet, LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> EMDirichlet(space).fit(X).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "em_dirichlet"
    learns_from_unlabeled = True
    fit_copies = (4.0, 5.0)
    fits_in_blocks = True
    block_columns = 100
    works_without_labels = True
    positive = ("sharpness", "max_iter")

    concentration_: NDArray[np.float64]
    log_shares_: NDArray[np.float64]

    def __init__(
        self,
        space: LabelSpace,
        *,
        layers: int = 1,
        sharpness: float = 2.0,
        share_weight: float = 1.0,
        max_iter: int = 30,
    ) -> None:
        super().__init__(space, layers=layers)
        self.sharpness = sharpness
        self.share_weight = share_weight
        self.max_iter = max_iter

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        classes = self.space.classes
        pool, given = self._log_q(background), np.eye(classes)[labels]
        log_q = np.vstack([pool, self._log_q(states[: len(labels)])])
        self.concentration_ = np.eye(classes) + 1.0
        r = softmax(self.sharpness * self._prior(background), axis=1)
        for _ in range(self.max_iter):
            weight = np.vstack([r, given]) + 1e-9
            self.log_shares_ = self.share_weight * np.log(weight.mean(axis=0))
            self.concentration_ = _fit_dirichlet(weight.T @ log_q / weight.sum(axis=0)[:, None], self.concentration_)
            r = softmax(self._densities(pool), axis=1)

    def _log_q(self, states: Floats) -> NDArray[np.float64]:
        q = softmax(self.sharpness * self._prior(states), axis=1) + FLOOR
        return np.asarray(np.log(q / q.sum(axis=1, keepdims=True)))

    def _densities(self, log_q: Floats) -> NDArray[np.float64]:
        constants = gammaln(self.concentration_.sum(axis=1)) - gammaln(self.concentration_).sum(axis=1)
        return np.asarray(log_q @ (self.concentration_ - 1).T + constants + self.log_shares_)

    def _logits(self, states: Floats) -> Floats:
        return np.asarray(log_softmax(self._densities(self._log_q(states)), axis=1))


def _fit_dirichlet(mean_log: Floats, start: Floats) -> NDArray[np.float64]:
    """Return a (C, C) whose row c has ψ(a) − ψ(Σ a) = mean_log (C,), nearly: twenty fixed-point steps."""
    a = np.asarray(start, np.float64)
    for _ in range(20):
        a = np.clip(_inverse_digamma(digamma(a.sum(axis=1, keepdims=True)) + mean_log), 1e-3, MAX_CONCENTRATION)
    return a


def _inverse_digamma(y: Floats) -> NDArray[np.float64]:
    """Five Newton steps from Minka's start: exact to 1e-10."""
    x = np.where(y >= -2.22, np.exp(np.minimum(y, 50)) + 0.5, -1 / (y - digamma(1.0)))
    for _ in range(5):
        x = x - (digamma(x) - y) / polygamma(1, x)
    return np.asarray(x)
