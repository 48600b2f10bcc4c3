"""Ridge regression on random nonlinear features of states."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats
from vocabsem.label_space import LabelSpace
from vocabsem.methods.ridge import ALPHAS, RidgeProbe

__all__ = ["RandomFeatures"]

BLOCK = 4096  # rows whose features are held at a time


class RandomFeatures(RidgeProbe):
    """`ridge` on max(0, z R), R (D, m) Gaussian: McDonnell et al. 2023, "RanPAC" (arXiv 2307.02251).

    z is standardized as in `ridge`. The features are scaled so that a row is about as long as z, and λ means what it
    means there; it is chosen by exact leave-one-out errors, in the paper by a part set aside.

    Parameters
    ----------
    space : LabelSpace, optional
        The label words; without them the classes are those of y.
    layers : int, default=1
        How many layers X holds side by side; z is divided by √layers.
    n_features : int, default=2048
        m; the paper has 10,000 for wider states and far more rows.
    alphas : sequence of float, default=21 from 1 to 1e5, evenly in log λ
        λ among which one is chosen.
    alpha_prior : float, default=300
        λ without data to choose by.
    sharpness_prior : float, default=5
        The inverse temperature likewise.
    random_state : int, default=0
        Draws R, which is drawn again and not stored.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    coef_ : ndarray of shape (m, C), float64
        Weights of the features.
    intercept_ : ndarray of shape (C,), float64
        Their intercepts.
    alpha_, sharpness_ : float
        λ as chosen, and the inverse temperature.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import RandomFeatures
    >>> RandomFeatures().fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "random_features"
    fit_copies = (28.0, 0.3)
    fits_in_blocks = False
    takes_random_state = True
    trains = True
    positive = (*RidgeProbe.positive, "n_features")

    def __init__(
        self,
        space: LabelSpace | None = None,
        *,
        layers: int = 1,
        n_features: int = 2048,
        alphas: Sequence[float] = ALPHAS,
        alpha_prior: float = 300.0,
        sharpness_prior: float = 5.0,
        random_state: int = 0,
    ) -> None:
        super().__init__(space, layers=layers, alphas=alphas, alpha_prior=alpha_prior, sharpness_prior=sharpness_prior)
        self.n_features = n_features
        self.random_state = random_state

    def _standardized(self, states: Floats) -> Floats:
        z = (states - self.mean_) / self.scale_
        projection = _projection(states.shape[1], self.n_features, self.random_state)
        features = np.maximum(z @ projection, 0) * np.float32((2 / self.n_features) ** 0.5)
        return features.astype(np.float64)

    def _logits(self, states: Floats) -> Floats:
        """Return logits a block of rows at a time, whose features are wider than states."""
        logits = super()._logits
        return np.concatenate([logits(states[i : i + BLOCK]) for i in range(0, max(1, len(states)), BLOCK)])


@lru_cache(maxsize=1)  # of all blocks of all fits of one seed
def _projection(width: int, n_features: int, random_state: int) -> NDArray[np.float32]:
    projection = np.random.default_rng(random_state).standard_normal((width, n_features), np.float32)
    projection.flags.writeable = False
    return projection
