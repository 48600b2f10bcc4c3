"""Words that have an order: days, months, numbers, letters, sizes, scales."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import DataError

__all__ = ["CYCLES", "SEQUENCES", "Ordered", "select_sequences"]

SEQUENCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: tuple(words.split())
        for name, words in {
            "months": "January February March April May June July August September October November December",
            "days": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
            "numbers": "zero one two three four five six seven eight nine ten eleven twelve",
            "tens": "ten twenty thirty forty fifty sixty seventy eighty ninety",
            "ordinals": "first second third fourth fifth sixth seventh eighth ninth tenth",
            "letters": "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
            "sizes": "tiny small medium large huge enormous",
            "quality": "terrible bad okay good great perfect",
            "frequency": "never rarely sometimes often usually always",
            "temperature": "freezing cold cool warm hot boiling",
        }.items()
    }
)
CYCLES = frozenset({"months", "days"})
"""Sequences whose last word is followed by the first."""


@dataclass(frozen=True, eq=False)
class Ordered:
    """A sequence of n words, by their rows in the vectors of all words.

    Attributes
    ----------
    name : str
        Of the sequence.
    words : tuple of str
        In order.
    rows : ndarray of shape (n,)
        Row of each word.
    positions : ndarray of shape (n,)
        Of each in the whole sequence, from 0, ascending.
    period : int or None
        After how many words a cycle begins again; None for a line.
    """

    name: str
    words: tuple[str, ...]
    rows: NDArray[np.intp]
    positions: NDArray[np.intp]
    period: int | None


def select_sequences(
    known: Collection[str], sequences: Mapping[str, Sequence[str]] = SEQUENCES, *, min_words: int = 5
) -> list[Ordered]:
    """Keep the words that are known, and the sequences of which enough are left.

    Parameters
    ----------
    known : collection of str
        Words that have vectors, in the order of these.
    sequences : mapping of str to sequence of str
        Words in order, by name.
    min_words : int, default=5
        Of a sequence: of fewer, too many orders are alike.

    Returns
    -------
    list of Ordered

    Raises
    ------
    DataError
        Where no sequence has enough words.
    """
    row_of = {word: row for row, word in enumerate(known)}
    kept = []
    for name, words in sequences.items():
        own = [(position, word) for position, word in enumerate(words) if word in row_of]
        if len(own) < min_words:
            continue
        positions, left = np.array([position for position, _ in own]), tuple(word for _, word in own)
        rows = np.array([row_of[word] for word in left])
        kept.append(Ordered(name, left, rows, positions, len(words) if name in CYCLES else None))
    if not kept:
        raise DataError(
            f"no sequence of order has {min_words} words that are single tokens of the model: use a model with a larger"
            " vocabulary"
        )
    return kept
