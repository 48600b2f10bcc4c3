"""Similarity to the anchors of the label words: the paper's similarity logits (§3.2), without training."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace, Targets, target_vectors
from vocabsem.methods.base import Method
from vocabsem.vocabulary.similarity import SimilarityMetric, similarity_logits

__all__ = ["AnchorSimilarity"]


class AnchorSimilarity(Method):
    """softmax over the classes of similarity(h − μ, s_c), with no temperature, as published.

    μ is the mean of the training states, which need no labels.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    metric : {"cosine", "l2", "dot"}, default="cosine"
        The similarity.
    center : bool, default=True
        False leaves the states as they are.
    targets : {"anchors", "head", "random"}, default="anchors"
        The last two are controls that stand for the anchors.
    random_state : int, default=0
        Draws random targets.

    Attributes
    ----------
    mean_ : ndarray of shape (d,), float32
        μ.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]]), [0, 0, 1, 1]
    >>> from vocabsem import LabelSpace
    >>> space = LabelSpace(np.eye(2)[::-1], np.eye(2)[::-1], np.zeros(2))
    >>> from vocabsem import AnchorSimilarity
    >>> AnchorSimilarity(space).fit(X).predict(X).tolist()
    [0, 0, 1, 1]
    """

    name = "anchor_similarity"
    fit_copies = (0.0, 0.3)
    takes_random_state = True
    needs_labels = False
    choices: ClassVar = {"metric": ("cosine", "l2", "dot"), "targets": ("anchors", "head", "random")}

    space: LabelSpace
    mean_: NDArray[np.float32]

    def __init__(
        self,
        space: LabelSpace,
        *,
        metric: SimilarityMetric = "cosine",
        center: bool = True,
        targets: Targets = "anchors",
        random_state: int = 0,
    ) -> None:
        self.space = space
        self.metric = metric
        self.center = center
        self.targets = targets
        self.random_state = random_state

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        if self.center and len(background) == 0:
            raise DataError("anchor_similarity: no states to center on: give training states, or set center=False")
        self.mean_ = np.zeros(self.space.width, np.float32)
        if self.center:
            self.mean_ = background.mean(axis=0, dtype=np.float64).astype(np.float32)

    def transform(self, X: Floats) -> Floats:
        """Return the centered states that are compared with the anchors.

        Parameters
        ----------
        X : array of shape (N, d)
            States.

        Returns
        -------
        ndarray of shape (N, d), float32
        """
        return np.asarray(X, np.float32) - self.mean_

    def _logits(self, states: Floats) -> Floats:
        targets = target_vectors(self.space, self.targets, self.random_state)
        return np.asarray(similarity_logits(self.transform(states), targets, self.metric).numpy())
