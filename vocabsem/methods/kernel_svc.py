"""Support vector machines with a Gaussian kernel, one class against the others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.folds import left_out_folds, sample_rows
from vocabsem.methods._standardized import StandardizedMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["KernelSVC"]

ENTRIES = 2**22  # of a block of kernel values


class KernelSVC(StandardizedMethod):
    """softmax over one-versus-rest decisions f_c(z) = Σ_i a_ic exp(−g ‖z − z_i‖²) + b_c of scikit-learn's SVC.

    z is the standardized state, of about unit length. C and g have the best accuracy on rows left out: one by one with
    few, by folds with more; of equal ones the first. A class without examples has f = −1.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side.
    costs : sequence of float, default=(1, 10, 100)
        C among which one is chosen.
    gammas : sequence of float, default=(0.5, 0.1)
        g among which one is chosen.
    cv : int, default=5
        Folds.
    max_leave_one_out : int, default=16
        Up to so many rows each is left out alone instead.
    max_rows : int, default=2000
        At most so many labeled rows are learned from: the kernel has the square of their number.
    random_state : int, default=0
        Draws them.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    rows_ : ndarray of shape (N, D), float32
        z_i.
    coef_ : ndarray of shape (N, C), float64
        a.
    intercept_ : ndarray of shape (C,), float64
        b.
    cost_, gamma_ : float
        C and g as chosen.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import KernelSVC
    >>> KernelSVC().fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "kernel_svc"
    fit_copies = (6.0, 0.3)
    takes_random_state = True
    trains = True
    positive = ("costs", "gammas", "cv", "max_rows")

    rows_: NDArray[np.float32]
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    cost_: float
    gamma_: float

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        layers: int = 1,
        costs: Sequence[float] = (1.0, 10.0, 100.0),
        gammas: Sequence[float] = (0.5, 0.1),
        cv: int = 5,
        max_leave_one_out: int = 16,
        max_rows: int = 2000,
        random_state: int = 0,
    ) -> None:
        super().__init__(space, layers=layers)
        self.costs = costs
        self.gammas = gammas
        self.cv = cv
        self.max_leave_one_out = max_leave_one_out
        self.max_rows = max_rows
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        kept = sample_rows(labels, self.max_rows, self.random_state)
        self.rows_, y = self._standardized(states[kept]), labels[kept]
        fold = left_out_folds(y, self.cv, self.max_leave_one_out)
        best = -1
        with thread_limits(1, "blas"):
            for gamma in self.gammas:
                kernel = self._kernel(self.rows_, gamma)
                for cost in self.costs:
                    correct = sum(self._correct(kernel, y, fold == number, cost) for number in np.unique(fold))
                    if correct > best:
                        best, self.cost_, self.gamma_ = correct, float(cost), float(gamma)
            self.coef_, self.intercept_ = self._solve(self._kernel(self.rows_, self.gamma_), y, self.cost_)

    def _correct(self, kernel: Floats, y: Ints, held_out: NDArray[np.bool_], cost: float) -> int:
        coef, intercept = self._solve(kernel[np.ix_(~held_out, ~held_out)], y[~held_out], cost)
        decisions = kernel[np.ix_(held_out, ~held_out)] @ coef + intercept
        return int((decisions.argmax(axis=1) == y[held_out]).sum())

    def _solve(self, kernel: Floats, y: Ints, cost: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return a (N, C) and b (C,)."""
        coef, intercept = np.zeros((len(y), len(self.classes_))), np.full(len(self.classes_), -1.0)
        for c in np.unique(y):
            own = y == c
            if own.all():
                intercept[c] = 1.0
                continue
            machine = SVC(kernel="precomputed", C=cost, random_state=0).fit(kernel, own)
            coef[machine.support_, c], intercept[c] = machine.dual_coef_[0], machine.intercept_[0]
        return coef, intercept

    def _kernel(self, rows: Floats, gamma: float) -> NDArray[np.float64]:
        squares = (rows**2).sum(axis=1)[:, None] + (self.rows_**2).sum(axis=1) - 2 * (rows @ self.rows_.T)
        return np.asarray(np.exp(-gamma * np.maximum(squares, 0)), np.float64)

    def _logits(self, states: Floats) -> Floats:
        z, step = self._standardized(states), max(1, ENTRIES // len(self.rows_))
        blocks = (z[start : start + step] for start in range(0, len(z), step))
        return np.concatenate([self._kernel(block, self.gamma_) @ self.coef_ + self.intercept_ for block in blocks])
