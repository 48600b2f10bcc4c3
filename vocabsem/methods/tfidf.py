"""Words counted, no language model: the baseline that a representation has to beat."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.validation import check_is_fitted

from vocabsem.errors import DataError
from vocabsem.methods.info import Family, MethodAttributes
from vocabsem.runtime.parallel import thread_limits

__all__ = ["TfidfProbe", "rotated"]

SOLVER = "newton-cg"  # ten steps at most, where lbfgs takes fifty


def rotated(features: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return as many axes as there are texts, which hold all their products, and the map from axes to texts.

    A penalized regression is the same on both, and on N axes V / N times faster.

    Parameters
    ----------
    features : sparse array of shape (N, V)
        Texts by terms.

    Returns
    -------
    columns : ndarray of shape (N, r), float64
        The texts on r axes.
    back : ndarray of shape (r, N), float64
        `coef @ back @ features` are coefficients of the terms.
    """
    squares, axes = np.linalg.eigh((features @ features.T).toarray())
    held = squares > squares[-1] * 1e-10
    lengths = np.sqrt(squares[held])
    return axes[:, held] * lengths, (axes[:, held] / lengths).T


class TfidfProbe(MethodAttributes, ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Logistic regression on TF-IDF of words and pairs of words, by scikit-learn; no language model is read.

    Texts are read as they are, without template or label words. Terms and their document frequencies (Spärck Jones,
    1972) are those of the training texts, labeled or not.

    Parameters
    ----------
    max_words : int, default=2
        Words of a term at most.
    costs : tuple of float, default=(1, 10, 100, 1000)
        C of the regression, one of which is chosen by log-loss in cross-validation.
    default_cost : float, default=100
        C where a class has a single text.
    cv : int, default=5
        Folds.
    max_cv_rows : int, default=2000
        Texts that C is chosen on.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        The classes among the labels.
    terms_ : ndarray of shape (V,), str
        The columns.
    idf_ : ndarray of shape (V,), float64
        Inverse document frequencies.
    coef_, intercept_ : ndarrays of shapes (C, V) and (C,), float64
        Of the regression; those of the second class alone where there are two.

    Examples
    --------
    >>> texts, y = ["a fine film", "a dull film", "fine acting", "dull acting"], [1, 0, 1, 0]
    >>> TfidfProbe().fit(texts, y).predict(["fine"]).tolist()
    [1]
    """

    name: ClassVar[str] = "tfidf"
    family: ClassVar[Family] = "texts"
    temperature_folds: ClassVar[int] = 0
    positive: ClassVar[tuple[str, ...]] = ("max_words", "costs", "default_cost", "cv", "max_cv_rows")

    classes_: NDArray[Any]
    terms_: NDArray[np.str_]
    idf_: NDArray[np.float64]
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def __init__(
        self,
        *,
        max_words: int = 2,
        costs: Sequence[float] = (1.0, 10.0, 100.0, 1000.0),
        default_cost: float = 100.0,
        cv: int = 5,
        max_cv_rows: int = 2000,
    ) -> None:
        self.max_words = max_words
        self.costs = costs
        self.default_cost = default_cost
        self.cv = cv
        self.max_cv_rows = max_cv_rows

    def fit(self, X: Sequence[str], y: ArrayLike, unlabeled: Sequence[str] | None = None) -> Self:
        """Learn from labeled texts.

        Parameters
        ----------
        X : sequence of N str
            Texts.
        y : array of shape (N,)
            Their classes.
        unlabeled : sequence of str, optional
            Texts that terms and document frequencies are counted in; None means X.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Labels of one class only, and texts without a word.
        """
        labels = np.asarray(y)
        if len(np.unique(labels)) < 2:
            raise DataError(f"{self.name}: all labels are of one class: give texts of two classes at least")
        features = self._fit_terms(X, unlabeled)
        with thread_limits(1, "blas"):
            columns, back = rotated(features) if len(labels) <= self.max_cv_rows else (features, None)
            fitted = self._fit_labels(columns, labels)
        self.classes_, self.intercept_ = fitted.classes_, fitted.intercept_
        self.coef_ = fitted.coef_ if back is None else (fitted.coef_ @ back) @ features
        return self

    def _fit_terms(self, X: Sequence[str], unlabeled: Sequence[str] | None) -> Any:
        """Count terms, and return the features of X: sparse (N, V)."""
        self._vectorizer = TfidfVectorizer(ngram_range=(1, self.max_words), sublinear_tf=True)
        try:
            self._vectorizer.fit(X if unlabeled is None else unlabeled)
        except ValueError:
            raise DataError(f"{self.name}: no text has a word of two letters: give other texts") from None
        self.terms_, self.idf_ = self._vectorizer.get_feature_names_out(), self._vectorizer.idf_
        return self._vectorizer.transform(X)

    def _fit_labels(self, features: Any, labels: NDArray[Any]) -> LogisticRegression:
        return LogisticRegression(C=self._chosen_cost(features, labels), solver=SOLVER).fit(features, labels)

    def _chosen_cost(self, features: Any, labels: NDArray[Any]) -> float:
        if len(labels) > self.max_cv_rows:
            by_class = np.argsort(labels, kind="stable")
            rows = by_class[np.linspace(0, len(labels) - 1, self.max_cv_rows).astype(int)]
            return self._chosen_cost(rotated(features[rows])[0], labels[rows])
        least = int(np.unique(labels, return_counts=True)[1].min())
        if least < 2:
            return self.default_cost
        search = LogisticRegressionCV(
            Cs=list(self.costs),
            cv=StratifiedKFold(min(self.cv, least), shuffle=True, random_state=0),
            scoring="neg_log_loss",
            solver=SOLVER,
            refit=False,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        )
        return float(search.fit(features, labels).C_)

    def predict_proba(self, X: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : sequence of N str
            Texts.

        Returns
        -------
        ndarray of shape (N, C), float64
            Rows sum to one.
        """
        check_is_fitted(self, "coef_")
        logits = self._vectorizer.transform(X) @ self.coef_.T + self.intercept_
        if len(self.classes_) == 2:
            logits = np.hstack([np.zeros_like(logits), logits])
        return np.asarray(softmax(logits, axis=1))

    def predict(self, X: Sequence[str]) -> NDArray[Any]:
        """Return the most probable class.

        Parameters
        ----------
        X : sequence of N str
            Texts.

        Returns
        -------
        ndarray of shape (N,)
            Of `classes_`.
        """
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])
