"""Nouns by lexicographer file of WordNet 3.0 (animal, food, person, …): categories that people made."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import DataError

__all__ = ["categories_of", "wordnet_nouns"]

FILE = Path(__file__).with_name("wordnet_nouns.txt")


def wordnet_nouns() -> dict[str, str]:
    """Return the lexicographer file of each noun whose uses in a tagged corpus are, nine in ten, in one file.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> wordnet_nouns()["baseball"]
    'act'
    """
    lines = [line for line in FILE.read_text(encoding="ascii").splitlines() if not line.startswith("#")]
    rows = (line.split(": ", 1) for line in lines)
    return {noun: category for category, nouns in rows for noun in nouns.split()}


def categories_of(known: Collection[str], min_words: int) -> tuple[list[str], NDArray[np.intp], list[str]]:
    """Return the nouns that are known, of categories with enough of them.

    Parameters
    ----------
    known : collection of str
        Words that have vectors.
    min_words : int
        Of a category.

    Returns
    -------
    words : list of str
        The n nouns.
    labels : ndarray of shape (n,)
        Category of each, from 0.
    names : list of str
        Of the categories.

    Raises
    ------
    DataError
        Where fewer than two categories have enough nouns.
    """
    category = {noun: of for noun, of in wordnet_nouns().items() if noun in known}
    counted = [*category.values()]
    names = [name for name in dict.fromkeys(counted) if counted.count(name) >= min_words]
    if len(names) < 2:
        raise DataError(
            f"{len(names)} categories of WordNet have {min_words} nouns that are single tokens of the model, and 2 are"
            " needed: lower params.min_words, use a model with a larger vocabulary, or leave the template word out"
        )
    words = [noun for noun, of in category.items() if of in names]
    return words, np.array([names.index(category[noun]) for noun in words]), names
