"""Label words for classes that have only numbers or codes: words whose anchors lie nearest to the classes' states."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vocabsem.errors import DataError
from vocabsem.methods.base import unit_rows

SHORTEST = 3  # letters of a proposed word: shorter tokens are mostly pieces of words


def propose_words(
    names: Sequence[str], means: NDArray[np.float32], anchors: NDArray[np.float32], words: Mapping[str, int]
) -> list[str]:
    """A word for each of C classes, no two alike.

    names (C): what the classes are called: a name that is one of the words is its own; means (C, d): mean state of each
    class; anchors (V, d); words: those that are single tokens, with their rows in `anchors`. The other classes get the
    real words whose total cosine with them is highest. What all classes share, and what all anchors share, is taken
    away first: it says nothing of a class. Raises DataError when there are fewer real words than classes.
    """
    own = _own_words(names, words)
    # words, not pieces of them: in small letters, and tokens with a capital too
    whole = [w for w in words if len(w) >= SHORTEST and w.islower() and w.capitalize() in words]
    real = [word for word in whole if word not in own.values()]
    rest = [c for c in range(len(names)) if c not in own]
    if len(real) < len(rest):
        raise DataError(
            f"the model's vocabulary has {len(real)} whole words for {len(rest)} classes: write a card by hand, with"
            " label words of several tokens and word_tokens: first"
        )
    states = unit_rows(means - means.mean(axis=0))[rest]  # (R, d)
    cosine = states @ unit_rows(anchors[[words[word] for word in real]] - anchors.mean(axis=0)).T  # (R, P)
    found, chosen = linear_sum_assignment(cosine, maximize=True)
    proposed = {rest[row]: real[column] for row, column in zip(found, chosen, strict=True)}
    return [(own | proposed)[c] for c in range(len(names))]


def _own_words(names: Sequence[str], words: Mapping[str, int]) -> dict[int, str]:
    """By class, the names that are words themselves: as they are spelled, or in small letters."""
    own: dict[int, str] = {}
    for c, name in enumerate(names):
        for word in (name, name.lower()):
            if word in words and word not in own.values():
                own.setdefault(c, word)
    return own
