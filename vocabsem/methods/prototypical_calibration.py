"""Clusters of zero-shot probabilities to texts without labels, matched to the classes."""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from vocabsem.arrays import Floats, Ints
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method

__all__ = ["PrototypicalCalibration"]


class PrototypicalCalibration(Method):
    """P(c|x) of a Gaussian mixture over the model's own log-probabilities: Han et al. 2023 (arXiv 2205.10183).

    A mixture of C full-covariance components is fitted to log p (M, C) of the training texts; the best of several
    starts by likelihood is kept. Component and class are matched one to one so that Σ log p_c of the component's mean
    is greatest (Hungarian method). Learns nothing from labels.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    n_init : int, default=10
        Starts.
    reg_covar : float, default=1e-3
        Added to each variance.
    max_iter : int, default=500
        Steps of expectation maximization from a start.
    random_state : int, default=0
        Draws the starts.

    Attributes
    ----------
    means_ : ndarray of shape (C, C), float64
        Of the component of each class.
    factors_ : ndarray of shape (C, C, C), float64
        Cholesky factors of their precisions.
    log_weights_ : ndarray of shape (C,), float64
        Their shares.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]])
    >>> from vocabsem import LabelSpace, PrototypicalCalibration
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> PrototypicalCalibration(space).fit(X).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "prototypical_calibration"
    learns_from_unlabeled = True
    needs_labels = False
    reads_label_logits_alone = True
    trains = True
    takes_random_state = True
    fit_copies = (0.0, 6.0)
    block_columns = 100
    positive = ("n_init", "reg_covar", "max_iter")

    space: LabelSpace
    means_: NDArray[np.float64]
    factors_: NDArray[np.float64]
    log_weights_: NDArray[np.float64]

    def __init__(
        self,
        space: LabelSpace,
        *,
        n_init: int = 10,
        reg_covar: float = 1e-3,
        max_iter: int = 500,
        random_state: int = 0,
    ) -> None:
        self.space = space
        self.n_init = n_init
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        settings = {name: getattr(self, name) for name in ("n_init", "reg_covar", "max_iter", "random_state")}
        mixture = GaussianMixture(self.space.classes, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the likeliest start is kept where it is
            mixture.fit(self._log_probabilities(background))
        component = linear_sum_assignment(log_softmax(mixture.means_, axis=1).T, maximize=True)[1]  # of each class
        self.means_, self.factors_ = mixture.means_[component], mixture.precisions_cholesky_[component]
        self.log_weights_ = np.log(mixture.weights_[component])

    def _log_probabilities(self, states: Floats) -> NDArray[np.float64]:
        return np.asarray(log_softmax(self.space.label_logits(states), axis=1))

    def _logits(self, states: Floats) -> Floats:
        log_p = self._log_probabilities(states)
        density = [
            np.log(np.diag(factor)).sum() - 0.5 * np.square((log_p - mean) @ factor).sum(axis=1)
            for mean, factor in zip(self.means_, self.factors_, strict=True)
        ]
        return np.stack(density, axis=1) + self.log_weights_
