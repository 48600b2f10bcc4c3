"""Words counted, a ridge regression: the baseline without a language model where texts have numbers."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import RidgeCV
from sklearn.utils.validation import check_is_fitted

from vocabsem.errors import DataError
from vocabsem.label_kinds import LabelKind
from vocabsem.methods.tfidf import TfidfProbe, rotated
from vocabsem.runtime.parallel import thread_limits

__all__ = ["TfidfRidge"]


class TfidfRidge(TfidfProbe):
    """Ridge regression of numbers on TF-IDF of words and pairs of words, its penalty by leave-one-out errors.

    Terms are counted as `TfidfProbe` counts them. A single labeled text is predicted for all.

    Parameters
    ----------
    max_words : int, default=2
        Words of a term at most.
    alphas : sequence of float, default=(0.01, 0.1, 1, 10)
        Penalties, one of which is chosen.

    Attributes
    ----------
    terms_, idf_ : ndarrays of shape (V,)
        The columns, and their inverse document frequencies.
    coef_ : ndarray of shape (V,), float64
        Of the regression.
    intercept_ : ndarray of shape (1,), float64

    Examples
    --------
    >>> from vocabsem.methods.tfidf_ridge import TfidfRidge
    >>> texts, y = ["a fine film", "a dull film", "fine acting", "dull acting"], [9.0, 1.0, 9.0, 1.0]
    >>> TfidfRidge().fit(texts, y).predict(["dull", "fine"]).round().tolist()
    [1.0, 9.0]
    """

    name: ClassVar[str] = "tfidf_ridge"
    label_kinds: ClassVar[tuple[LabelKind, ...]] = ("continuous",)
    positive: ClassVar[tuple[str, ...]] = ("max_words", "alphas")

    def __init__(self, *, max_words: int = 2, alphas: Sequence[float] = (0.01, 0.1, 1.0, 10.0)) -> None:
        self.max_words = max_words
        self.alphas = alphas

    def fit(self, X: Sequence[str], y: ArrayLike, unlabeled: Sequence[str] | None = None) -> Self:
        """Learn from labeled texts.

        Parameters
        ----------
        X : sequence of N str
            Texts.
        y : array of shape (N,)
            Their numbers.
        unlabeled : sequence of str, optional
            Texts that terms and document frequencies are counted in; None means X.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Labels that are not N finite numbers, and texts without a word.
        """
        labels = np.asarray(y, np.float64)
        if labels.shape != (len(X),) or not np.isfinite(labels).all():
            raise DataError(f"{self.name}: labels {labels.shape}, expected ({len(X)},) finite numbers")
        features = self._fit_terms(X, unlabeled)
        self.coef_, self.intercept_ = np.zeros(features.shape[1]), labels.mean(keepdims=True)
        if len(labels) > 1:
            with thread_limits(1, "blas"):
                columns, back = rotated(features)
                fitted = RidgeCV(alphas=list(self.alphas)).fit(columns, labels)
            self.coef_, self.intercept_ = (fitted.coef_ @ back) @ features, np.array([fitted.intercept_])
        return self

    def predict(self, X: Sequence[str]) -> NDArray[Any]:
        """Return the predicted numbers.

        Parameters
        ----------
        X : sequence of N str
            Texts.

        Returns
        -------
        ndarray of shape (N,), float64
        """
        check_is_fitted(self, "coef_")
        return np.asarray(self._vectorizer.transform(X) @ self.coef_ + self.intercept_[0])
