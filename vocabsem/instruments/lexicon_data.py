"""Read human judgments of words: similarity of pairs, analogies, ratings; keep the words that are tokens of a model."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import DataError

__all__ = ["Judgments", "Lexicon", "read_analogies", "read_pairs", "read_ratings", "read_valence", "select_words"]

T = TypeVar("T")
FEWEST = 5  # judgments of a collection
Pairs = list[tuple[str, str, float]]
Ints = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judgments:
    """What people judged, by words.

    Attributes
    ----------
    pairs : dict of str to list of (word, word, similarity)
        By the name of the collection.
    analogies : list of tuple of str
        Four words each: the second is to the first as the fourth to the third.
    ratings : dict of str to dict
        By the name of the collection: word → a rating a scale.
    scales : dict of str to tuple of str
        Names of the scales of each collection.
    """

    pairs: dict[str, Pairs]
    analogies: list[tuple[str, str, str, str]]
    ratings: dict[str, dict[str, tuple[float, ...]]]
    scales: dict[str, tuple[str, ...]]

    @property
    def words(self) -> list[str]:
        """Every word once, in the order of the files."""
        of_pairs = (word for pairs in self.pairs.values() for one, other, _ in pairs for word in (one, other))
        of_analogies = (word for question in self.analogies for word in question)
        of_ratings = (word for rated in self.ratings.values() for word in rated)
        return list(dict.fromkeys([*of_pairs, *of_analogies, *of_ratings]))


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Judgments over n words, by their positions.

    Attributes
    ----------
    words : tuple of str
        The words.
    log_frequency : ndarray of shape (n,)
        Minus the logarithm of the token's number.
    pairs : dict of str to (ndarray of shape (m, 2), ndarray of shape (m,))
        Positions and similarities.
    analogies : ndarray of shape (q, 4)
        Positions.
    ratings : dict of str to (ndarray of shape (m,), ndarray of shape (m, s))
        Positions and ratings, a column a scale.
    scales : dict of str to tuple of str
        Names of the s scales of each collection.
    """

    words: tuple[str, ...]
    log_frequency: Floats
    pairs: dict[str, tuple[Ints, Floats]]
    analogies: Ints
    ratings: dict[str, tuple[Ints, Floats]]
    scales: dict[str, tuple[str, ...]]


def read_pairs(path: Path) -> Pairs:
    """Read rated pairs: two words and a similarity, separated by tabs; lines that begin with # are comments.

    Parameters
    ----------
    path : Path
        A file such as those of SimLex-999 and WordSim-353.

    Returns
    -------
    list of (str, str, float)

    Raises
    ------
    DataError
        For another line, with its number.
    """
    rows = []
    for number, line in _lines(path):
        fields = line.split("\t")
        try:
            one, other, similarity = fields
            rows.append((one, other, _number(similarity)))
        except ValueError:
            raise _wrong(path, number, "two words and a number, separated by tabs") from None
    return rows


def read_analogies(path: Path) -> list[tuple[str, str, str, str]]:
    """Read analogies: four words a line; lines that begin with a colon name a group.

    Parameters
    ----------
    path : Path
        A file such as questions-words.txt.

    Returns
    -------
    list of tuple of str

    Raises
    ------
    DataError
        For another line, with its number.
    """
    rows = []
    for number, line in _lines(path):
        if line.startswith(":"):
            continue
        try:
            a, b, c, d = line.split()
        except ValueError:
            raise _wrong(path, number, "four words") from None
        rows.append((a, b, c, d))
    return rows


def read_ratings(path: Path, columns: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Read ratings from columns of a CSV file with a column Word; rows that lack one are left out.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str
        Scales.

    Returns
    -------
    dict of str to tuple of float

    Raises
    ------
    DataError
        For a column that is not there, or a value that is no number.
    """
    reader = csv.DictReader(io.StringIO(_text(path)))
    if missing := {"Word", *columns} - set(reader.fieldnames or ()):
        raise DataError(f"{path} has no column {', '.join(map(repr, sorted(missing)))}: give the file the card names")
    try:
        return {
            row["Word"]: tuple(_number(row[column]) for column in columns)
            for row in reader
            if all(row[column] for column in columns)
        }
    except (ValueError, csv.Error) as error:
        raise _wrong(path, reader.line_num, f"numbers in {', '.join(columns)} ({error})") from None


def read_valence(path: Path) -> dict[str, tuple[float, ...]]:
    """Read the mean valence of words, in the form of VADER's lexicon: token, mean, deviation, ratings.

    Parameters
    ----------
    path : Path
        The file; rows of what is no word, such as emoticons, are left out.

    Returns
    -------
    dict of str to tuple of float

    Raises
    ------
    DataError
        For another line, with its number.
    """
    rated: dict[str, tuple[float, ...]] = {}
    for number, line in _lines(path, comment=None):
        word, *rest = line.split("\t")
        try:
            value = _number(rest[0])
        except (IndexError, ValueError):
            raise _wrong(path, number, "a word and its valence, separated by tabs") from None
        if word.isalpha():
            rated[word] = (value,)
    return rated


def select_words(
    judgments: Judgments, tokens: Mapping[str, int], most: int, most_analogies: int, seed: int, fewest: int = FEWEST
) -> Lexicon:
    """Keep the judgments all of whose words are tokens, and of analogies and ratings as many as wanted, drawn.

    Parameters
    ----------
    judgments : Judgments
        As read.
    tokens : mapping of str to int
        Number of the token of each word that is one.
    most : int
        Words of each collection of ratings, at most.
    most_analogies : int
        Analogies, at most.
    seed : int
        Seed of the draws.
    fewest : int
        Judgments that every collection must keep.

    Returns
    -------
    Lexicon

    Raises
    ------
    DataError
        Where a collection has fewer left.
    """
    generator = np.random.default_rng(seed)
    pairs = {name: [row for row in rows if {*row[:2]} <= tokens.keys()] for name, rows in judgments.pairs.items()}
    questions = _sample([row for row in judgments.analogies if {*row} <= tokens.keys()], most_analogies, generator)
    ratings = {}
    for name, rated in judgments.ratings.items():
        words = _sample([word for word in rated if word in tokens], most, generator)
        ratings[name] = {word: rated[word] for word in words}
    collections: dict[str, Sized] = {**pairs, "analogies": questions, **ratings}
    for name, kept in collections.items():
        if len(kept) < fewest:
            raise DataError(
                f"{name}: {len(kept)} judgments whose words are single tokens of the model, and {fewest} are needed:"
                " use a model with a larger vocabulary, or another file"
            )
    known = Judgments(pairs, questions, ratings, judgments.scales)
    at = {word: position for position, word in enumerate(known.words)}
    return Lexicon(
        words=tuple(at),
        log_frequency=-np.log1p([tokens[word] for word in at]),
        pairs={
            name: (np.array([[at[a], at[b]] for a, b, _ in rows]), np.array([value for *_, value in rows]))
            for name, rows in pairs.items()
        },
        analogies=np.array([[at[word] for word in question] for question in questions]),
        ratings={
            name: (np.array([at[word] for word in rated]), np.array(list(rated.values())))
            for name, rated in ratings.items()
        },
        scales=judgments.scales,
    )


def _sample(rows: Sequence[T], most: int, generator: np.random.Generator) -> list[T]:
    return [rows[i] for i in np.sort(generator.permutation(len(rows))[:most])]


def _lines(path: Path, comment: str | None = "#") -> Iterable[tuple[int, str]]:
    rows = ((number, line.strip()) for number, line in enumerate(_text(path).splitlines(), 1))
    return ((number, line) for number, line in rows if line and not (comment and line.startswith(comment)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8: give the file that the card names") from None


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value


def _wrong(path: Path, number: int, expected: str) -> DataError:
    return DataError(f"{path}:{number}: expected {expected}: give the file that the card names")
