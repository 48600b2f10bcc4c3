"""Classes without an example: known by their words alone, beside others that have labels."""

import json
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method
from vocabsem.methods.persistence import from_arrays, to_arrays
from vocabsem.methods.registry import build_method

__all__ = ["UnseenClasses"]


class UnseenClasses(Method):
    """Generalized zero-shot classification: labels for some classes, for the others their words.

    A method that can do without labels is fitted twice. Without any, to all label words, it gives Q(c | h), by which
    the texts without labels are divided. With the labels, to the words of the seen classes S and to the texts that Q
    leaves to them, it gives P(c | h, S). By the chain rule

        P(c | h) = Q(c | h) of an unseen class,    P(c | h) = (1 − Σ_u Q(u | h)) P(c | h, S) of a seen one.

    Unseen is every class that y has no example of.

    Parameters
    ----------
    space : LabelSpace
        The label words, of unseen classes too.
    estimator : {"vocabulary_calibrator", "gaussian_em", "em_dirichlet", "transclip"}, default="vocabulary_calibrator"
        The method, by name: those that learn from labels and can do without.
    unseen : int, default=0
        How many of the last classes are made unseen: rows of theirs are not read.
    layers : int, default=1
        How many layers X holds side by side.

    Attributes
    ----------
    seen_ : ndarray of shape (S,), int64
        The seen classes.
    of_all_, of_seen_ : dict of str to ndarray
        What the two fits learned, as `persistence.to_arrays` names it.
    described_ : list of two str
        The rest of it, as JSON.

    Examples
    --------
    >>> import numpy as np
    >>> from vocabsem import LabelSpace, UnseenClasses
    >>> X = np.repeat(np.eye(3), 4, axis=0) + 0.1 * np.random.default_rng(0).standard_normal((12, 3))
    >>> space = LabelSpace(np.eye(3), np.eye(3), np.zeros(3))
    >>> UnseenClasses(space).fit(X[:8], np.repeat([0, 1], 4), unlabeled=X).predict(X[8:]).tolist()
    [2, 2, 2, 2]
    """

    name = "unseen_classes"
    revision = 2
    learns_from_unlabeled = True
    fit_copies = (8.0, 9.0)
    temperature_folds = 0
    takes_layers = True
    choices: ClassVar = {"estimator": ("vocabulary_calibrator", "gaussian_em", "em_dirichlet", "transclip")}

    space: LabelSpace
    seen_: NDArray[np.int64]
    of_all_: dict[str, NDArray[Any]]
    of_seen_: dict[str, NDArray[Any]]
    described_: list[str]

    def __init__(
        self, space: LabelSpace, *, estimator: str = "vocabulary_calibrator", unseen: int = 0, layers: int = 1
    ) -> None:
        self.space = space
        self.estimator = estimator
        self.unseen = unseen
        self.layers = layers

    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None:
        kept = labels < self.space.classes - self.unseen
        self.seen_, renumbered = np.unique(labels[kept], return_inverse=True)
        if len(self.seen_) < 2:
            raise DataError(
                f"unseen_classes: {len(self.seen_)} of {self.space.classes} classes have labels (unseen={self.unseen}):"
                " leave two at least"
            )
        of_all = self._build(self.space).fit(background, unlabeled=background)
        rest = np.isin(of_all.predict(background), self.seen_)
        theirs = background[rest] if rest.any() else background
        of_seen = self._build(self.space.take(self.seen_)).fit(states[kept], renumbered, unlabeled=theirs)
        (self.of_all_, first), (self.of_seen_, second) = to_arrays(of_all), to_arrays(of_seen)
        self.described_ = [json.dumps(first), json.dumps(second)]

    def _build(self, space: LabelSpace) -> Method:
        method: Method = build_method(self._method, {"layers": self.layers}, space, random_state=0)
        return method

    @property
    def _method(self) -> str:
        """The name of the method, one of those that may be: a stored estimator cannot name a file whose code is run."""
        if self.estimator not in self.choices["estimator"]:
            raise DataError(
                f"unseen_classes: estimator {self.estimator!r} knows no class by its word alone: choose"
                f" {', '.join(self.choices['estimator'])}"
            )
        return self.estimator

    def _logits(self, states: Floats) -> Floats:
        of_all, of_seen = (
            from_arrays(arrays, json.loads(text) | {"method": self._method}).predict_proba(states)
            for arrays, text in zip((self.of_all_, self.of_seen_), self.described_, strict=True)
        )
        of_all[:, self.seen_] = of_all[:, self.seen_].sum(axis=1, keepdims=True) * of_seen
        return np.asarray(np.log(np.maximum(of_all, np.finfo(np.float64).tiny)))
