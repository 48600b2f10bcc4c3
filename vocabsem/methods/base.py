"""What all classifiers over stored states share: the scikit-learn contract, checks of the input, bounded classes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import TransformerTags, _safe_indexing
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from vocabsem.arrays import Floats, Ints, check_labels, check_states, check_weights
from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace
from vocabsem.methods.info import BLOCK, STATES_LIMIT, MethodAttributes
from vocabsem.runtime.parallel import MAX_WORKERS, parallel_map, thread_limits

__all__ = ["Method", "WeightedMethod"]

Data = tuple[Any, ...]  # states (N, d), labels (N,), background (M, d), and where rows have them weights (N,), of a fit


class Method(MethodAttributes, ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn ships no types
    """A classifier of states X (N, d) float32 into the C classes of a label space.

    `classes_` is always 0..C-1 and `predict_proba` always has C columns, also when a class is absent from y. Methods
    that compare nothing with the vocabulary (`needs_space` False) also work without a label space: their classes are
    then those of y, of any type, and they are scikit-learn's own in every check of the input.

    A method of your own derives from it: `name`, a constructor whose first parameter is `space`, and

        _fit(states, labels, background)    learns from (N, d) float32, (N,) integers 0..C-1 (none: empty), (M, d)
        _logits(states)                     (N, d) → (N, C), log-probabilities up to a constant per row

    Attributes learned in `_fit` end in `_`, are annotated in the class, and are numpy arrays, dicts of them, or plain
    JSON values: what `methods.persistence` stores. Other class attributes are as `methods.info.MethodInfo` explains.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        The classes.
    n_features_in_ : int
        Columns of X.
    temperature_ : float
        What the logits are divided by (Guo et al., 2017): 1, until another is set.

    Examples
    --------
    >>> from vocabsem.methods import RidgeProbe
    >>> issubclass(RidgeProbe, Method), RidgeProbe.needs_space
    (True, False)
    """

    needs_space: ClassVar[bool] = True  # False: it can do without a label space

    space: LabelSpace | None
    classes_: NDArray[Any]
    n_features_in_: int
    temperature_: float

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, unlabeled: ArrayLike | None = None) -> Self:
        """Learn from labeled and unlabeled states.

        Parameters
        ----------
        X : array of shape (N, d)
            States; cast to float32.
        y : array of shape (N,), optional
            Classes 0 to C - 1; None for methods that learn from no labels.
        unlabeled : array of shape (M, d), optional
            States without labels, of the prompts that `background` names: the training texts, content-free inputs or
            random words of the domain. They set means and scales; the vocabulary calibrator and the methods of
            clusters and self-training learn more from them. None means X.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Shapes, labels or values that cannot be used, or no vocabulary where one is needed.
        TrainingFailed
            Training diverges.
        """
        self._fit(*self._ready(X, y, unlabeled))
        return self

    @classmethod
    def fit_together(
        cls,
        estimators: Sequence[Self],
        X: Sequence[ArrayLike],
        y: Sequence[ArrayLike | None],
        unlabeled: Sequence[ArrayLike | None],
        sample_weight: Sequence[ArrayLike | None] | None = None,
    ) -> None:
        """Fit each estimator of this class to its own rows; all at once where the method gains by it.

        Parameters
        ----------
        estimators : sequence of Method
            All of this class.
        X, y, unlabeled : sequences
            What `fit` takes, for each.
        sample_weight : sequence, optional
            Likewise, of methods with `takes_sample_weight`.
        """
        weights = [None] * len(estimators) if sample_weight is None else sample_weight
        given = zip(X, y, unlabeled, weights, strict=True)
        data = [estimator._ready(*each) for estimator, each in zip(estimators, given, strict=True)]
        cls._fit_together(estimators, data)

    @classmethod
    def _fit_together(cls, estimators: Sequence[Self], data: Sequence[Data]) -> None:
        """Each on a core of its own, as many at a time as STATES_LIMIT holds."""
        if len(estimators) == 1:  # all threads are its own
            estimators[0]._fit(*data[0])
            return
        most = max(1, STATES_LIMIT // max(states.nbytes + background.nbytes for states, _, background, *_ in data))
        with parallel_map(torch.device("cpu"), min(most, MAX_WORKERS)) as run, thread_limits(1, "blas"):
            list(run(lambda estimator, given: estimator._fit(*given), estimators, data))

    def require(self) -> None:
        """Raise BadInput where a package or a file is missing that it needs: called before a run computes anything."""

    def _ready(
        self, X: ArrayLike, y: ArrayLike | None, unlabeled: ArrayLike | None, sample_weight: ArrayLike | None = None
    ) -> Data:
        """States, labels (none: an empty array), background and weights if any, as `_fit` takes them, checked."""
        if sample_weight is not None:
            X, y, sample_weight = self._weighed(X, y, sample_weight)
        for parameter in self.positive:
            value = getattr(self, parameter)
            if np.size(value) == 0 or np.min(value) <= 0:
                raise DataError(f"{self.name}: {parameter}={value}: give a number above 0")
        states, labels = self._read_alone(X, y) if self._alone else self._read(X, y)
        background = states if unlabeled is None else check_states(unlabeled, states.shape[1], self.name)
        self.n_features_in_ = states.shape[1]
        self.temperature_ = 1.0
        return (states, labels, background) + (() if sample_weight is None else (sample_weight,))

    def _weighed(self, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike) -> tuple[Any, Any, Floats]:
        """Rows whose weight is above 0, their labels and their weights, of mean 1."""
        if not self.takes_sample_weight:
            raise DataError(f"{self.name} takes no weights of rows: leave sample_weight out")
        weights = check_weights(sample_weight, _num_samples(X), self.name)
        kept = np.flatnonzero(weights)
        if len(kept) < len(weights):
            X, y = _safe_indexing(X, kept), None if y is None else _safe_indexing(y, kept)
        return X, y, weights[kept] / weights[kept].mean()

    def _read(self, X: ArrayLike, y: ArrayLike | None) -> tuple[Floats, Ints]:
        assert self.space is not None
        if self.needs_vocabulary and self.space.vocabulary is None:
            raise DataError(f"{self.name} compares with every token: give its label space a vocabulary")
        width = self.space.width * getattr(self, "layers", 1) if self.fixed_width else None
        states = check_states(X, width, self.name)
        self.classes_ = np.arange(self.space.classes)
        if self.needs_labels and not (y is None and self.works_without_labels):
            return states, check_labels(y, len(states), self.space.classes, self.name)
        return states, np.empty(0, np.int64)

    def _read_alone(self, X: ArrayLike, y: ArrayLike | None) -> tuple[Floats, Ints]:
        """Without a label space. Raises DataError where there must be one, ValueError as scikit-learn does."""
        if self.needs_space:
            raise DataError(f"{self.name} compares states with label words: give it a label space, as TextStates has")
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, labels = np.unique(np.asarray(y), return_inverse=True)
        return check_states(X, None, self.name), check_labels(labels, len(labels), len(self.classes_), self.name)

    @property
    def needs_vocabulary(self) -> bool:
        """Whether `fit` needs `space.vocabulary`, with the parameters as they are."""
        settings = (setting.partition("=") for setting in self.reads_vocabulary_with)
        return self.reads_vocabulary or any(getattr(self, name) == value for name, _, value in settings)

    @property
    def _alone(self) -> bool:
        return self.space is None

    @abstractmethod
    def _fit(self, states: Floats, labels: Ints, background: Floats) -> None: ...

    def _logits(self, states: Floats) -> Floats:
        """(N, n_features_in_) float32 → (N, C), log-probabilities up to a constant per row, each from its row alone."""
        raise NotImplementedError  # of numbers, which have no classes

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array of shape (N, d)
            States.

        Returns
        -------
        ndarray of shape (N, C), float64
            Rows sum to one.
        """
        check_is_fitted(self)
        if self._alone:
            X = validate_data(self, X, reset=False, dtype=np.float32)
        states = check_states(X, self.n_features_in_, self.name)
        if len(states) == 0:
            return np.empty((0, len(self.classes_)))
        rows = max(1, BLOCK // states.itemsize // states.shape[1])
        blocks = (self._logits(states[start : start + rows]) for start in range(0, len(states), rows))
        return np.concatenate([self._probabilities(b.astype(np.float64)) for b in blocks])

    def _probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(softmax(logits / self.temperature_, axis=1))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class; the first one of equal probabilities.

        Parameters
        ----------
        X : array of shape (N, d)
            States.

        Returns
        -------
        ndarray of shape (N,)
            Of `classes_`.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of an estimator."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.needs_labels and not self.works_without_labels
        tags.classifier_tags.poor_score = "nominal" not in self.label_kinds  # on classes in no order
        tags.transformer_tags = TransformerTags() if hasattr(self, "transform") else None
        return tags


class WeightedMethod(Method):
    """A method whose labeled rows may have weights: `_fit` has a fourth argument, weights (N,) of mean 1, or None.

    A row of weight w counts in every sum over labeled rows w times, also in leave-one-out and cross-validated errors,
    each still of a fit without that row. Only ratios of weights count; a row of weight 0 is left out.

    Examples
    --------
    >>> from vocabsem.methods import RidgeProbe
    >>> X, y = np.array([[0.0], [0.0], [1.0], [1.0]]), [0, 1, 1, 0]
    >>> RidgeProbe().fit(X, y, sample_weight=[9, 1, 9, 1]).predict([[0.0], [1.0]]).tolist()
    [0, 1]
    """

    takes_sample_weight = True

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        unlabeled: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from labeled states, which may have weights, and from unlabeled ones.

        Parameters
        ----------
        X : array of shape (N, d)
            States; cast to float32.
        y : array of shape (N,) or (N, L), optional
            As of `Method.fit`; of several labels 1 where a row has one, else 0; of continuous targets numbers.
        unlabeled : array of shape (M, d), optional
            States without labels, which set means and scales, all with the same weight. None means X.
        sample_weight : array of shape (N,), optional
            Weights of the rows of X, not below 0; None weighs all the same.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Shapes, labels, weights or values that cannot be used.
        TrainingFailed
            States that become infinite.
        """
        self._fit(*self._ready(X, y, unlabeled, sample_weight))
        return self

    @abstractmethod
    def _fit(
        self, states: Floats, labels: Ints, background: Floats, weights: NDArray[np.float64] | None = None
    ) -> None: ...
