"""kNN Prompting: the vote of the labeled prompts whose next-token distributions are nearest."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from vocabsem.arrays import Floats, Ints
from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace, Vocabulary
from vocabsem.methods.base import Method
from vocabsem.methods.k_neighbors import share_of_votes

__all__ = ["KnnPrompting", "expectations"]

ENTRIES = 2**23  # of a block of distributions (rows, V), or of distances (rows, M): 64 MiB in float64


class KnnPrompting(Method):
    """P(c) = (votes for c + smoothing) / (k + C · smoothing) among the k labeled prompts a nearest the query q.

    Near is a small KL(p_a ‖ p_q) over the whole vocabulary (Xu et al. 2023, "kNN Prompting": k = 3 and at most 1,024
    anchors per class). With logits l = scale · (W h + b),

        KL(p_a ‖ p_q) = −H(p_a) − E_a[l_q] + logsumexp(l_q),    E_a[l_q] = scale · (E_a[w]·h_q + E_a[b]),

    and the last term is the same for all anchors. So each is kept as a d-vector and a number, never as a distribution,
    and a prediction reads no head. `fit` raises DataError for a model with a soft-cap, whose logits are not linear in
    the state.

    Parameters
    ----------
    space : LabelSpace
        The label words, with the vocabulary.
    n_neighbors : int, default=3
        k.
    per_class : int, default=1024
        At most so many labeled prompts of a class serve.
    smoothing : float, default=0.5
        Votes that every class has beforehand.
    random_state : int, default=0
        Draws those that serve.

    Attributes
    ----------
    expected_ : ndarray of shape (M, d), float32
        scale · E_a[w] of each labeled prompt.
    constants_ : ndarray of shape (M,), float64
        scale · E_a[b] + H(p_a).
    labels_ : ndarray of shape (M,), int64
        Their classes.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem.label_space import Vocabulary
    >>> from vocabsem import KnnPrompting
    >>> tokens = Vocabulary(np.eye(2)[::-1], np.zeros(2), np.eye(2)[::-1], [[0], [1]])
    >>> space = tokens.label_space(softcap=None, scale=1.0, whole=True)
    >>> KnnPrompting(space, n_neighbors=1).fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "knn_prompting"
    fit_copies = (2.0, 0.3)
    positive = ("n_neighbors", "per_class", "smoothing")
    takes_random_state = True
    reads_vocabulary = True
    trains = True  # prompts are drawn where there are more than per_class

    space: LabelSpace
    expected_: NDArray[np.float32]
    constants_: NDArray[np.float64]
    labels_: NDArray[np.int64]

    def __init__(
        self,
        space: LabelSpace,
        *,
        n_neighbors: int = 3,
        per_class: int = 1024,
        smoothing: float = 0.5,
        random_state: int = 0,
    ) -> None:
        self.space = space
        self.n_neighbors = n_neighbors
        self.per_class = per_class
        self.smoothing = smoothing
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if self.space.softcap is not None:
            raise DataError(
                f"knn_prompting: the model caps its logits at {self.space.softcap}, and then distances between its "
                "distributions cannot be had from the states alone: leave this method out for this model"
            )
        assert self.space.vocabulary is not None  # held by fit
        order = np.random.default_rng(self.random_state).permutation(len(labels))
        of_class = [order[labels[order] == c][: self.per_class] for c in range(self.space.classes)]
        chosen = np.sort(np.concatenate(of_class))
        self.expected_, self.constants_ = expectations(states[chosen], self.space.vocabulary, self.space.scale)
        self.labels_ = np.asarray(labels[chosen], np.int64)

    def _logits(self, states: Floats) -> Floats:
        expected, shares = self.expected_.T.astype(np.float64), np.empty((len(states), self.space.classes))
        block = max(1, ENTRIES // len(self.labels_))
        for start in range(0, len(states), block):
            rows = slice(start, start + block)
            nearness = states[rows].astype(np.float64) @ expected + self.constants_  # (b, M)
            shares[rows] = share_of_votes(nearness, self.labels_, self.space.classes, self.n_neighbors, self.smoothing)
        return np.log(shares)


def expectations(
    states: Floats, vocabulary: Vocabulary, scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Compute scale · E_a[w] (M, d) and scale · E_a[b] + H(p_a) (M,): −KL(p_a ‖ p_q) but for q's own term.

    In log space and float64 but for the two products with the head; (M, V) never exists whole.

    Parameters
    ----------
    states : ndarray of shape (M, d)
        Of the labeled prompts a.
    vocabulary : Vocabulary
        All tokens.
    scale : float
        The model's logit multiplier.

    Returns
    -------
    tuple of ndarrays of shapes (M, d), float32, and (M,), float64

    Examples
    --------
    >>> tokens = Vocabulary(np.eye(2), np.zeros(2), np.eye(2), [[0], [1]])
    >>> expectations(np.zeros((1, 2)), tokens, 1.0)[0]
    array([[0.5, 0.5]], dtype=float32)
    """
    expected = np.empty(states.shape, np.float32)
    constants = np.empty(len(states))
    block = max(1, ENTRIES // len(vocabulary.head))
    for start in range(0, len(states), block):
        rows = slice(start, start + block)
        log_p = log_softmax(scale * (states[rows] @ vocabulary.head.T + vocabulary.bias).astype(np.float64), axis=1)
        p = np.exp(log_p)
        expected[rows] = scale * (p.astype(np.float32) @ vocabulary.head)
        constants[rows] = (p * (scale * vocabulary.bias - log_p)).sum(axis=1)
    return expected, constants
