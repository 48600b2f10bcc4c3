"""What every instrument reads and returns: spaces of vectors; values with an interval and a null, ranked items."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Interval", "Item", "Sampling", "Space", "StudyResult", "Value", "differ", "percentiles"]

Interval = tuple[float, float]
LEVEL = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class Space:
    """One kind of vector of the same n things.

    Attributes
    ----------
    variant : str
        What the vectors are: anchors, head, state, random, …
    layer : int or None
        Of states; None for vectors of the vocabulary.
    vectors : ndarray of shape (n, d)
        A row a thing.
    """

    variant: str
    layer: int | None
    vectors: NDArray[np.floating]


@dataclass(frozen=True)
class Value:
    """One value of a study.

    Attributes
    ----------
    unit : str
        What is measured: a list of words, a data set.
    layer : int or None
        Of the states; None where there is none.
    variant : str
        On which vectors, or by which method.
    metric : str
        The metric's name.
    value : float
        The metric.
    interval : tuple of float
        Its 95 % interval.
    null : tuple of float
        The 95 % interval of the same metric where there is nothing to find.
    n : int
        Things that the metric is over.
    """

    unit: str
    layer: int | None
    variant: str
    metric: str
    value: float
    interval: Interval
    null: Interval
    n: int


@dataclass(frozen=True)
class Item:
    """One thing of a ranked list: a pair of words, an example, a choice.

    Attributes
    ----------
    item : str
        Which list.
    layer : int or None
        Of the states; None where there is none.
    rank : int
        From 1.
    score : float
        By which it is ranked.
    text : str
        The thing.
    """

    item: str
    layer: int | None
    rank: int
    score: float
    text: str


@dataclass(frozen=True)
class StudyResult:
    """All that a study found.

    Attributes
    ----------
    values : tuple of Value
        Its values.
    items : tuple of Item
        Its ranked lists.
    files : mapping of str to bytes
        What else it made, by file name.
    notes : tuple of (str, str)
        What was left out, and why.
    """

    values: tuple[Value, ...]
    items: tuple[Item, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Sampling:
    """How intervals and nulls are drawn.

    Attributes
    ----------
    resamples : int
        Of the bootstrap.
    null_draws : int
        Of the null: permutations, random vectors.
    seed : int
        Seed of all draws.
    """

    resamples: int
    null_draws: int
    seed: int

    def generator(self, *stream: int) -> np.random.Generator:
        """Return the generator of a stream of draws, the same at every call.

        Parameters
        ----------
        *stream : int
            Which stream.

        Returns
        -------
        numpy.random.Generator
        """
        return np.random.default_rng([self.seed, *stream])

    def interval(self, statistic: Callable[[NDArray[np.intp]], float], n: int) -> Interval:
        """Return the 95 % percentile interval of a statistic over n things, drawn with replacement.

        Parameters
        ----------
        statistic : callable
            Positions (n,) of the drawn things → the metric.
        n : int
            Number of things.

        Returns
        -------
        tuple of float
        """
        generator = self.generator(0)
        return percentiles([statistic(generator.integers(n, size=n)) for _ in range(self.resamples)])


def differ(vectors: NDArray[np.floating] | NDArray[np.integer]) -> bool:
    """Return whether things differ beyond rounding; those of a template that ends alike are all one in layer 0.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        A row a thing.

    Returns
    -------
    bool

    Examples
    --------
    >>> differ(np.full((3, 2), 0.1))
    False
    """
    rows = np.asarray(vectors, np.float64)
    return bool(((rows - rows.mean(axis=0)) ** 2).sum() > 1e-12 * (rows**2).sum())


def percentiles(draws: ArrayLike) -> Interval:
    """Return the 2.5 % and 97.5 % percentiles of draws.

    Parameters
    ----------
    draws : array-like of shape (B,)
        Figures of resamples, or of a null.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> percentiles(range(41))
    (1.0, 39.0)
    """
    low, high = np.quantile(np.asarray(draws, np.float64), LEVEL)
    return float(low), float(high)
