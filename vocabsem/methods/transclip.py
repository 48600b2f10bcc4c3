"""Gaussian classes and a graph of nearest neighbors, started from the zero-shot logits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import softmax

from vocabsem.arrays import Floats, Ints, unit_rows
from vocabsem.blocks import block_slices, gathered_rows
from vocabsem.label_space import LabelSpace
from vocabsem.methods._solvers.nearest import nearest
from vocabsem.methods._solvers.transformed_rows import StackedRows, TransformedRows
from vocabsem.methods._standardized import PriorMethod
from vocabsem.runtime.parallel import thread_limits

__all__ = ["TransCLIP"]

LABELED_UNIT = 50  # of γ, which is given in the paper's units
TINY = 1e-12  # numerical: below every probability, sum or variance that matters


class TransCLIP(PriorMethod):
    """P(c) ∝ q_c^λ N(u; μ_c, diag σ²)^(1/s): TransCLIP (Zanella et al., NeurIPS 2024, arXiv 2406.01837).

    u is the standardized state of length one, q = softmax(sharpness · p) of the zero-shot logits p. Over the training
    texts, assignments r ∝ q^λ exp(log N(u; μ, σ)/s + Σ_j (w_ij + w_ji) r_j / 2k) with cosines w to the k nearest
    neighbors, means of length one and a common diagonal σ² are updated in turn. λ is 1 without labels and less with
    them; labeled rows are neighbors, and weigh 50 γ each in the mean against all texts. The paper's answer is r of the
    test texts; here those enter nothing, and are scored by μ and σ, γ by the labeled rows as they would be scored so.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    layers : int, default=1
        How many layers X holds side by side.
    sharpness : float, default=2
        Of q.
    gammas : sequence of float, default=(0.002, 0.01, 0.02, 0.2)
        γ among which one is chosen.
    max_iter, n_updates : int, default=10, 5
        Rounds, and updates of r in each.
    n_neighbors : int, default=3
        k.
    n_confident : int, default=8
        Texts of a class, the most probable ones, that its mean starts from without labels.
    density_divisor : float, default=50
        s.
    labeled_prior_weight : float, default=0.5
        λ with labels.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (D,), float32
        What z is standardized by.
    answer_mean_, answer_scale_ : ndarray of shape (C,) and float
        What p is standardized by.
    prototypes_ : ndarray of shape (C, D), float32
        μ.
    variance_ : ndarray of shape (D,), float32
        σ².
    prior_weight_ : float
        λ.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace, TransCLIP
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> TransCLIP(space).fit(X).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "transclip"
    learns_from_unlabeled = True
    fit_copies = (8.0, 10.0)
    fits_in_blocks = True
    block_columns = 100
    works_without_labels = True
    positive = (
        *("sharpness", "gammas", "max_iter", "n_updates", "n_neighbors", "n_confident", "density_divisor"),
        "labeled_prior_weight",
    )

    prototypes_: NDArray[np.float32]
    variance_: NDArray[np.float32]
    prior_weight_: float

    def __init__(
        self,
        space: LabelSpace,
        *,
        layers: int = 1,
        sharpness: float = 2.0,
        gammas: Sequence[float] = (0.002, 0.01, 0.02, 0.2),
        max_iter: int = 10,
        n_updates: int = 5,
        n_neighbors: int = 3,
        n_confident: int = 8,
        density_divisor: float = 50.0,
        labeled_prior_weight: float = 0.5,
    ) -> None:
        super().__init__(space, layers=layers)
        self.sharpness = sharpness
        self.gammas = gammas
        self.max_iter = max_iter
        self.n_updates = n_updates
        self.n_neighbors = n_neighbors
        self.n_confident = n_confident
        self.density_divisor = density_divisor
        self.labeled_prior_weight = labeled_prior_weight

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        self._standardize(background)
        self.prior_weight_ = self.labeled_prior_weight if len(labels) else 1.0
        with thread_limits(1, "blas"):
            both = TransformedRows(
                StackedRows(background, states[: len(labels)]), lambda rows: unit_rows(self._standardized(rows))
            )
            u = gathered_rows(both.shape, (both[part].astype(np.float32) for part in block_slices(both)))
            given = np.eye(self.space.classes)[labels]
            log_q = self.prior_weight_ * np.log(softmax(self.sharpness * self._prior(background), axis=1) + TINY)
            graph = _graph(u, len(background), self.n_neighbors)
            best = -np.inf
            for gamma in self.gammas if len(labels) else (0.0,):
                means, variance = self._alternate(u, given, log_q, graph, gamma)
                score = self._score(states[: len(labels)], labels, means, variance)
                if score > best:
                    best, self.prototypes_, self.variance_ = score, means, variance

    def _alternate(
        self, u: Floats, given: Floats, log_q: Floats, graph: csr_array, gamma: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        m = len(log_q)
        r = np.vstack([softmax(log_q / self.prior_weight_, axis=1), given])
        weight = np.append(np.full(m, 1 / m), np.full(len(given), LABELED_UNIT * gamma / max(1, len(given))))[:, None]
        means = _start(u, r[:m], self.n_confident) if len(given) == 0 else unit_rows(given.T @ u[m:])
        variance = np.full(u.shape[1], 1 / u.shape[1])
        for step in range(self.max_iter + 1):
            density = _log_density(u[:m], means, variance) / self.density_divisor
            for _ in range(self.n_updates):
                r[:m] = softmax(log_q + density + graph @ r, axis=1)
            if step < self.max_iter:
                shares = (weight * r).astype(u.dtype)
                sums, total = shares.T @ u, shares.sum(axis=0)
                means = unit_rows(sums / np.maximum(total, TINY)[:, None])
                squares = sum(shares[part].sum(axis=1) @ u[part] ** 2 for part in block_slices(u))
                spread = squares - 2 * (sums * means).sum(axis=0) + total @ means**2
                variance = np.maximum(spread / total.sum(), TINY)
        return means.astype(np.float32), variance.astype(np.float32)

    def _score(self, states: Floats, labels: Ints, means: Floats, variance: Floats) -> float:
        """Mean accuracy over the labeled rows; 0 without any."""
        if len(labels) == 0:
            return 0.0
        return float((self._scored(states, means, variance).argmax(axis=1) == labels).mean())

    def _scored(self, states: Floats, means: Floats, variance: Floats) -> NDArray[np.float64]:
        log_q = np.log(softmax(self.sharpness * self._prior(states), axis=1) + TINY)
        u = unit_rows(self._standardized(states))
        return np.asarray(self.prior_weight_ * log_q + _log_density(u, means, variance) / self.density_divisor)

    def _logits(self, states: Floats) -> Floats:
        return self._scored(states, self.prototypes_, self.variance_)


def _graph(u: Floats, m: int, n_neighbors: int) -> csr_array:
    """(M, M + N): cosines to the k nearest of the M texts, from either side, over 2k."""
    indices, squares = nearest(u, u[:m], min(n_neighbors + 1, m))
    rows = np.repeat(np.arange(len(u)), indices.shape[1] - 1)  # the nearest is the text itself
    entries = (1 - squares[:, 1:] / 2).ravel(), (rows, indices[:, 1:].ravel())
    directed = csr_array(entries, shape=(len(u), m))
    both = directed.T + csr_array(entries, shape=(len(u), len(u)))[:m]
    return csr_array(both / (2 * n_neighbors))


def _start(u: Floats, r: Floats, n_confident: int) -> Floats:
    """Return means of length one of the texts of highest probability in each class, weighted by it."""
    most_confident = np.argsort(-r, axis=0, kind="stable")[:n_confident]  # (n_confident, C)
    means = [(r[rows, c][:, None] * u[rows]).mean(axis=0) for c, rows in enumerate(most_confident.T)]
    return unit_rows(np.stack(means))


def _log_density(u: Floats, means: Floats, variance: Floats) -> NDArray[np.float64]:
    """−½ Σ (u − μ)²/σ², (N, C), but for what all classes share."""
    scaled = means / variance
    return np.asarray(u @ scaled.astype(u.dtype).T - 0.5 * (scaled * means).sum(axis=1))
