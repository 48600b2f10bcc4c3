"""Words counted, a regression a label: the baseline without a language model where a text has any number of labels."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.utils.validation import check_is_fitted

from vocabsem.arrays import check_indicator
from vocabsem.label_kinds import LabelKind
from vocabsem.methods._solvers.label_ridge import best_threshold
from vocabsem.methods.tfidf import TfidfProbe, rotated
from vocabsem.runtime.parallel import thread_limits

__all__ = ["TfidfOneVsRest"]


class TfidfOneVsRest(TfidfProbe):
    """`TfidfProbe` of each label against the rest, predicted from the probability that has its highest F1 held out.

    A label that a single text has, or lacks, is predicted from one half; one that all have, or none, always or never.

    Parameters
    ----------
    max_words : int, default=2
        Words of a term at most.
    costs : tuple of float, default=(1, 10, 100, 1000)
        C of the regressions, one of which is chosen for each label by log-loss in cross-validation.
    default_cost : float, default=100
        C of a label that a single text has, or lacks.
    cv : int, default=5
        Folds.
    max_cv_rows : int, default=2000
        Texts that C is chosen on.

    Attributes
    ----------
    classes_ : ndarray of shape (L,)
        0 to L - 1.
    terms_, idf_ : ndarrays of shape (V,)
        The columns, and their inverse document frequencies.
    coef_, intercept_ : ndarrays of shapes (L, V) and (L,), float64
        Of the regressions.
    thresholds_ : ndarray of shape (L,), float64
        The probability from which on a label is predicted.

    Examples
    --------
    >>> from vocabsem.methods.tfidf_one_vs_rest import TfidfOneVsRest
    >>> texts, Y = ["fine film", "dull film", "fine food", "dull food"] * 2, [[1, 0], [0, 0], [1, 1], [0, 1]] * 2
    >>> TfidfOneVsRest().fit(texts, Y).predict(["fine film", "dull food"]).tolist()
    [[1, 0], [0, 1]]
    """

    name: ClassVar[str] = "tfidf_one_vs_rest"
    label_kinds: ClassVar[tuple[LabelKind, ...]] = ("multi",)

    thresholds_: NDArray[np.float64]

    def fit(self, X: Sequence[str], y: ArrayLike, unlabeled: Sequence[str] | None = None) -> Self:
        """Learn from labeled texts.

        Parameters
        ----------
        X : sequence of N str
            Texts.
        y : array of shape (N, L)
            1 where a text has the label, else 0.
        unlabeled : sequence of str, optional
            Texts that terms and document frequencies are counted in; None means X.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Other than zeros and ones, no label that some texts have and others lack, and texts without a word.
        """
        labels = check_indicator(y, len(X), np.shape(y)[-1], self.name).astype(bool)
        features = self._fit_terms(X, unlabeled)
        self.classes_ = np.arange(labels.shape[1])
        self.coef_ = np.zeros((labels.shape[1], features.shape[1]))
        self.intercept_ = logit((labels.sum(axis=0) + 1) / (len(labels) + 2))
        self.thresholds_ = np.where(labels.all(axis=0), 0.0, np.inf)
        with thread_limits(1, "blas"):
            columns, back = rotated(features) if len(labels) <= self.max_cv_rows else (features, None)
            for label in np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0)):
                fitted = self._fit_labels(columns, labels[:, label])
                self.coef_[label] = fitted.coef_[0] if back is None else (fitted.coef_[0] @ back) @ features
                self.intercept_[label] = fitted.intercept_[0]
                self.thresholds_[label] = self._threshold(fitted, columns, labels[:, label])
        return self

    def _threshold(self, fitted: Any, features: Any, there: NDArray[np.bool_]) -> float:
        least = int(min(there.sum(), (~there).sum()))
        if least < 2:
            return 0.5
        folds = StratifiedKFold(min(self.cv, least), shuffle=True, random_state=0)
        held_out = cross_val_predict(fitted, features, there, cv=folds, method="predict_proba")[:, 1]
        return max(0.0, best_threshold(held_out, there))

    def predict_proba(self, X: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each label.

        Parameters
        ----------
        X : sequence of N str
            Texts.

        Returns
        -------
        ndarray of shape (N, L), float64
            Each by itself.
        """
        check_is_fitted(self, "coef_")
        return np.asarray(expit(self._vectorizer.transform(X) @ self.coef_.T + self.intercept_))

    def predict(self, X: Sequence[str]) -> NDArray[Any]:
        """Return which labels are predicted.

        Parameters
        ----------
        X : sequence of N str
            Texts.

        Returns
        -------
        ndarray of shape (N, L), int64
            1 where a label is predicted, else 0.
        """
        return np.asarray(self.predict_proba(X) >= self.thresholds_, np.int64)
