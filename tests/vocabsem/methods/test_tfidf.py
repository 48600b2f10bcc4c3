"""TF-IDF by its formula, and what its regression sees."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from vocabsem.errors import DataError
from vocabsem.methods import TfidfProbe

TEXTS = ["fine film", "fine fine acting", "dull film", "dull plot", "slow film", "slow slow plot"]
LABELS = [1, 1, 0, 0, 2, 2]
OTHERS = [*TEXTS, "fine sea", "sea film"]


def features(fitted, texts):
    """(N, V): (1 + log count) · idf, rows of unit length; words and pairs of words."""
    grams = [[*text.split(), *map(" ".join, zip(text.split(), text.split()[1:], strict=False))] for text in texts]
    counts = np.array([[row.count(term) for term in fitted.terms_] for row in grams], float)
    weighted = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * fitted.idf_
    return weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-12)


def test_probabilities_are_those_of_the_formula_and_terms_of_all_texts():
    fitted = TfidfProbe(cv=2).fit(TEXTS, LABELS, OTHERS)
    assert {"sea", "fine film", "slow plot"} <= set(fitted.terms_)
    holding = np.array([sum(f" {term} " in f" {text} " for text in OTHERS) for term in fitted.terms_])
    assert np.allclose(fitted.idf_, np.log((1 + len(OTHERS)) / (1 + holding)) + 1)
    logits = features(fitted, OTHERS) @ fitted.coef_.T + fitted.intercept_
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose(fitted.predict_proba(OTHERS), expected)
    assert fitted.predict(TEXTS).tolist() == LABELS
    assert "sea" not in TfidfProbe(cv=2).fit(TEXTS, LABELS).terms_


def test_axes_of_the_texts_give_the_regression_on_terms():
    """With fewer rows to choose C on than there are texts, terms are fitted as they are."""
    terms = TfidfProbe(costs=(10.0,), max_cv_rows=6).fit(TEXTS * 2, LABELS * 2)
    axes = TfidfProbe(costs=(10.0,)).fit(TEXTS * 2, LABELS * 2)
    assert np.allclose(terms.predict_proba(OTHERS), axes.predict_proba(OTHERS), atol=1e-3)
    expected = LogisticRegression(C=10.0, tol=1e-10, max_iter=1000).fit(features(axes, TEXTS * 2), LABELS * 2)
    assert np.allclose(axes.predict_proba(OTHERS), expected.predict_proba(features(axes, OTHERS)), atol=1e-3)


def test_one_text_a_class_is_enough():
    fitted = TfidfProbe().fit(["fine film", "dull film"], ["pos", "neg"])
    assert fitted.predict(["fine", "dull"]).tolist() == ["pos", "neg"]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [(["a b", "c"], [0, 1], "word of two letters"), (["fine", "dull"], [1, 1], "one class")],
)
def test_what_cannot_be_fitted_is_refused(texts, labels, message):
    with pytest.raises(DataError, match=message):
        TfidfProbe().fit(texts, labels)
