"""Logistic regression on standardised states: what any linear reader finds in them, without the vocabulary."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from vocabsem.methods.base import Floats, Ints, Method, mean_and_scale
from vocabsem.methods.labels import LabelSpace

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C of scikit-learn: inverse weight of ½‖w‖²


class LinearProbe(Method):
    """softmax(A z + a), z the states standardised by the training states' mean and deviation; penalty ½‖A‖²/C.

    C is the one with the least cross-validated log-loss on the training rows (5 folds) where every class present has
    5 examples, else 1. A class without examples gets probability 0.
    """

    name = "linear_probe"
    trains = True
    fixed_width = False

    mean_: NDArray[np.float32]
    scale_: NDArray[np.float32]
    coefficients_: NDArray[np.float64]
    intercepts_: NDArray[np.float64]
    strength_: float

    def __init__(self, space: LabelSpace, *, folds: int = 5, seed: int = 0) -> None:
        self.space = space
        self.folds = folds
        self.seed = seed

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self.mean_, self.scale_ = mean_and_scale(background)
        z = self._standardised(states)
        self.strength_ = self._choose_strength(z, labels)
        probe = _logistic(self.strength_).fit(z, labels)
        self.coefficients_ = np.zeros((self.space.classes, z.shape[1]))
        self.intercepts_ = np.full(self.space.classes, -np.inf)
        self.coefficients_[probe.classes_], self.intercepts_[probe.classes_] = _both_sides(probe)

    def _choose_strength(self, z: Floats, labels: Ints) -> float:
        counts = np.bincount(labels)
        if counts[counts > 0].min() < self.folds:
            return 1.0
        losses = np.zeros(len(STRENGTHS))
        for train, test in StratifiedKFold(self.folds, shuffle=True, random_state=self.seed).split(z, labels):
            for number, strength in enumerate(STRENGTHS):
                probe = _logistic(strength).fit(z[train], labels[train])
                columns = np.searchsorted(probe.classes_, labels[test])
                losses[number] -= probe.predict_log_proba(z[test])[np.arange(len(test)), columns].sum()
        return STRENGTHS[int(losses.argmin())]

    def _standardised(self, states: Floats) -> Floats:
        return (states.astype(np.float64) - self.mean_) / self.scale_

    def _logits(self, states: Floats) -> Floats:
        return self._standardised(states) @ self.coefficients_.T + self.intercepts_


def _logistic(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=5000, tol=1e-3)


def _both_sides(probe: LogisticRegression) -> tuple[Floats, Floats]:
    """Coefficients (c, d) and intercepts (c,) of the c classes seen; scikit-learn stores one row for two classes."""
    if len(probe.classes_) > 2:
        return probe.coef_, probe.intercept_
    return np.vstack([np.zeros_like(probe.coef_), probe.coef_]), np.concatenate([[0.0], probe.intercept_])
