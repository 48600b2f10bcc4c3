"""Label words for classes that have only numbers or codes: words whose anchors lie nearest to the classes' states."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vocabsem.errors import DataError

SHORTEST = 3  # letters of a proposed word: shorter tokens are mostly pieces of words


def propose_words(
    names: Sequence[str], means: NDArray[np.float32], anchors: NDArray[np.float32], tokens: Sequence[str]
) -> list[str]:
    """A word for each of C classes, no two alike, each a single token with its leading space.

    names (C): what the classes are called: a name that is such a token is its own word; means (C, d): mean state of
    each class; anchors (V, d); tokens (V): their texts. The other classes get the words whose total cosine with them
    is highest. What all classes share, and what all anchors share, is taken away first: it says nothing of a class.
    Raises DataError when the vocabulary has fewer real words than there are classes.
    """
    own = _own_words(names, set(tokens))
    places = [place for place in _real_words(tokens) if tokens[place].strip() not in own.values()]
    rest = [c for c in range(len(names)) if c not in own]
    if len(places) < len(rest):
        raise DataError(
            f"the model's vocabulary has {len(places)} whole words for {len(rest)} classes: write the card's label"
            " words by hand, with word_tokens: first"
        )
    states = _unit(means - means.mean(axis=0))[rest]  # (R, d)
    cosine = states @ _unit(anchors[places] - anchors.mean(axis=0)).T  # (R, P)
    found, chosen = linear_sum_assignment(cosine, maximize=True)
    proposed = {rest[row]: tokens[places[column]].strip() for row, column in zip(found, chosen, strict=True)}
    return [(own | proposed)[c] for c in range(len(names))]


def _own_words(names: Sequence[str], tokens: set[str]) -> dict[int, str]:
    """By class, the names that are words themselves: as they are spelled, or in small letters."""
    own: dict[int, str] = {}
    for c, name in enumerate(names):
        for word in (name, name.lower()):
            if word.isalpha() and f" {word}" in tokens and word not in own.values():
                own.setdefault(c, word)
    return own


def _real_words(tokens: Sequence[str]) -> list[int]:
    """Tokens that are words, not pieces: in small letters, and a token with a capital too."""
    known = set(tokens)
    return [
        place
        for place, token in enumerate(tokens)
        if token[:1] == " "
        and len(word := token[1:]) >= SHORTEST
        and word.isalpha()
        and word.islower()
        and f" {word.capitalize()}" in known
    ]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
