"""Documents and people's similarity of them; typos and shuffled words; corrections that texts without labels give."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from vocabsem.errors import DataError

__all__ = ["corrections", "perturbed", "read_documents", "read_similarities", "shuffle_words", "type_wrong"]

Floats = NDArray[np.floating]
SHORTEST = 4  # letters of a word that may have a typo


def read_documents(path: Path) -> list[str]:
    """Read documents, one a line, in Latin-1 as those of Lee et al. (2005).

    Parameters
    ----------
    path : Path
        The file; empty lines are left out.

    Returns
    -------
    list of str

    Raises
    ------
    DataError
        For fewer than three.
    """
    documents = [line.strip() for line in path.read_text(encoding="latin-1").splitlines() if line.strip()]
    if len(documents) < 3:
        raise DataError(f"{path} has {len(documents)} documents, one a line: give the file that the card names")
    return documents


def read_similarities(path: Path, n: int) -> NDArray[np.float64]:
    """Read the similarity of every two documents: n lines of n numbers, of which those above the diagonal are used.

    Parameters
    ----------
    path : Path
        The file.
    n : int
        Number of documents.

    Returns
    -------
    ndarray of shape (n, n)
        Symmetric, with 0 on the diagonal.

    Raises
    ------
    DataError
        For other numbers, or another number of them.
    """
    try:
        rows = [[float(number) for number in line.split()] for line in path.read_text().splitlines() if line.strip()]
    except ValueError as error:
        raise DataError(f"{path}: {error}: give the file that the card names") from None
    if [len(row) for row in rows] != [n] * n or not np.isfinite(rows).all():
        raise DataError(f"{path} is not {n} lines of {n} numbers, as many as documents: give the file the card names")
    above = np.triu(np.array(rows), 1)
    return np.asarray(above + above.T)


def type_wrong(text: str, rate: float, generator: np.random.Generator) -> str:
    """Return a text in some of whose words two neighboring letters are swapped.

    Parameters
    ----------
    text : str
        Words, separated by white space.
    rate : float
        Share of the words; those of fewer than four characters stay as they are.
    generator : numpy.random.Generator
        Chooses words and letters.

    Returns
    -------
    str
    """
    words = text.split()
    for row in _chosen(words, rate, generator):
        word = words[row]
        if len(word) >= SHORTEST:
            at = int(generator.integers(len(word) - 1))
            words[row] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def shuffle_words(text: str, rate: float, generator: np.random.Generator) -> str:
    """Return a text some of whose words change places among each other.

    Parameters
    ----------
    text : str
        Words, separated by white space.
    rate : float
        Share of the words.
    generator : numpy.random.Generator
        Chooses words and their order.

    Returns
    -------
    str
    """
    words = text.split()
    rows = _chosen(words, rate, generator)
    for row, word in zip(rows, [words[each] for each in generator.permutation(rows)], strict=True):
        words[row] = word
    return " ".join(words)


def perturbed(texts: list[str], rates: tuple[float, ...], seed: int) -> dict[str, list[str]]:
    """Return the texts with each kind of error at each rate.

    Parameters
    ----------
    texts : list of str
        Clean ones.
    rates : tuple of float
        Shares of words, at most 1.
    seed : int
        Seed of all draws.

    Returns
    -------
    dict of str to list of str
        By the name of the error, as in "typos 5 %".

    Raises
    ------
    DataError
        For a share above 1.
    """
    if max(rates) > 1:
        raise DataError(f"rates has {max(rates)}: give shares of the words, at most 1")
    made = {}
    for name, change in (("typos", type_wrong), ("shuffled words", shuffle_words)):
        for rate in rates:
            draw = partial(change, rate=rate, generator=np.random.default_rng(seed))
            made[f"{name} {rate:.0%}".replace("%", " %")] = [draw(text) for text in texts]
    return made


def corrections(vectors: Floats, background: Floats, removed_axes: int = 3) -> Mapping[str, NDArray[np.float64]]:
    """Return vectors as the mean and covariance of others correct them.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Of documents.
    background : ndarray of shape (m, d)
        Of other texts.
    removed_axes : int, default=3
        Principal axes that all but the top leaves out.

    Returns
    -------
    dict of str to ndarray of shape (n, d)
        centered; whitened, by the covariance of Ledoit and Wolf; all but the top: centered, without the first
        principal axes (Mu and Viswanath, 2018).
    """
    rows, others = (np.asarray(each, np.float64) for each in (vectors, background))
    mean = others.mean(axis=0)
    values, axes = np.linalg.eigh(LedoitWolf().fit(others).covariance_)
    centered, top = rows - mean, axes[:, -removed_axes:]
    whitened = centered @ axes / np.sqrt(np.maximum(values, values[-1] * np.finfo(np.float64).eps))
    return {"centered": centered, "whitened": whitened, "all but the top": centered - centered @ top @ top.T}


def _chosen(words: list[str], rate: float, generator: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(generator.permutation(len(words))[: round(rate * len(words))])
