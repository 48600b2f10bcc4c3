"""Label words for classes that have only numbers or codes: words whose anchors lie nearest to the classes' states."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from vocabsem.arrays import unit_rows

__all__ = ["propose_words"]


def propose_words(
    names: Sequence[str],
    means: NDArray[np.float32],
    anchors: NDArray[np.float32],
    words: Mapping[str, int],
    min_letters: int = 3,
) -> list[str]:
    """Propose a word for each of C classes, no two alike.

    A name that is one of the words is its own. The other classes get the real words whose total cosine with them is
    highest, none of scikit-learn's English stop words, which name nothing; where real words are too few, their names,
    of whatever length. What all classes share, and what all anchors
    share, is taken away first: it does not separate classes.

    Parameters
    ----------
    names : sequence of str
        What the classes are called.
    means : ndarray of shape (C, d), float32
        Mean state of each class.
    anchors : ndarray of shape (V, d), float32
        Of all tokens.
    words : mapping of str to int
        Those that are single tokens, with their rows in `anchors`.
    min_letters : int, default=3
        Of a proposed word: shorter tokens are mostly pieces of words.

    Returns
    -------
    list of str

    Examples
    --------
    >>> words = {"good": 0, "Good": 1, "bad": 2, "Bad": 3}
    >>> anchors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    >>> propose_words(["1", "0"], np.eye(2, dtype=np.float32), anchors, words)
    ['good', 'bad']
    """
    own = _own_words(names, words)
    # words, not pieces of them: in small letters, and tokens with a capital too
    whole = [w for w in words if len(w) >= min_letters and w.islower() and w.capitalize() in words]
    real = [word for word in whole if word not in own.values() and word not in ENGLISH_STOP_WORDS]
    rest = [c for c in range(len(names)) if c not in own]
    if len(real) < len(rest):
        return [own.get(c, name.strip()) for c, name in enumerate(names)]
    states = unit_rows(means - means.mean(axis=0))[rest]  # (R, d)
    cosine = states @ unit_rows(anchors[[words[word] for word in real]] - anchors.mean(axis=0)).T  # (R, P)
    rows, columns = linear_sum_assignment(cosine, maximize=True)
    proposed = {rest[row]: real[column] for row, column in zip(rows, columns, strict=True)}
    return [(own | proposed)[c] for c in range(len(names))]


def _own_words(names: Sequence[str], words: Mapping[str, int]) -> dict[int, str]:
    """By class, the names that are words themselves: as they are spelled, or in small letters."""
    own: dict[int, str] = {}
    for c, name in enumerate(names):
        for word in (name, name.lower()):
            if word in words and word not in own.values():
                own.setdefault(c, word)
    return own
