"""How much of vectors k features give back: of autoencoders, of principal axes, of given atoms by pursuit."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import orthogonal_mp_gram

from vocabsem.arrays import unit_rows
from vocabsem.instruments.base import Sampling, Value, percentiles
from vocabsem.instruments.sparse_autoencoder import Autoencoder

__all__ = ["UNIT", "gaussian_rows", "mean_value", "reconstruction_errors", "reconstruction_values"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
UNIT = "tokens"


def gaussian_rows(rows: Floats, n: int, generator: np.random.Generator) -> Floats:
    """Return Gaussian vectors of the mean and covariance of others.

    Parameters
    ----------
    rows : ndarray of shape (N, d)
        The others.
    n : int
        How many.
    generator : numpy.random.Generator
        Of the draws.

    Returns
    -------
    ndarray of shape (n, d), float32
    """
    spread, axes = np.linalg.eigh(np.cov(rows, rowvar=False, dtype=np.float64))
    turn = (axes * np.sqrt(spread.clip(0))).T.astype(np.float32)
    sample = generator.standard_normal((n, rows.shape[1]), np.float32)
    return np.asarray(sample @ turn + rows.mean(axis=0), np.float32)


def reconstruction_errors(
    rows: Floats, others: Floats, trained: Mapping[str, Autoencoder], atoms: Mapping[str, Floats], k: int
) -> dict[str, Floats]:
    """Return how far the reconstructions of other vectors are from them.

    Parameters
    ----------
    rows : ndarray of shape (N, d)
        Whose mean, and k principal axes, are taken.
    others : ndarray of shape (M, d)
        The vectors.
    trained : mapping of str to Autoencoder
        By name.
    atoms : mapping of str to ndarray of shape (m, d)
        Dictionaries whose codes are found by orthogonal matching pursuit, of vectors less the mean.
    k : int
        Features of a vector.

    Returns
    -------
    dict of str to ndarray of shape (3, M)
        Squared error, squared distance to the mean, and number of features.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    away = others - mean  # (M, d), float64
    axes = np.linalg.eigh(np.cov(rows, rowvar=False, dtype=np.float64))[1][:, -k:]
    made = {"pca": (away @ axes @ axes.T, np.full(len(others), axes.shape[1]))}
    for name, vectors in atoms.items():
        unit = unit_rows(np.asarray(vectors, np.float64))
        codes = orthogonal_mp_gram(unit @ unit.T, unit @ away.T, n_nonzero_coefs=min(k, *unit.shape)).T
        made[name] = codes @ unit, (codes != 0).sum(axis=1)
    for name, dictionary in trained.items():
        codes = dictionary.codes(others)
        made[name] = dictionary.decoded(codes) - mean, (codes != 0).sum(axis=1)
    whole = (away**2).sum(axis=1)
    return {name: np.stack([((own - away) ** 2).sum(axis=1), whole, active]) for name, (own, active) in made.items()}


def reconstruction_values(
    layer: int, errors: Mapping[str, Floats], null: Mapping[str, Floats], text: Ints, sampling: Sampling
) -> Iterator[Value]:
    """Yield variance_explained and active_features of each dictionary.

    Parameters
    ----------
    layer : int
        Of the states.
    errors, null : mapping of str to ndarray of shape (3, M)
        As `reconstruction_errors` returns them, of M tokens and of M Gaussian vectors.
    text : ndarray of shape (M,)
        Number of each token's text.
    sampling : Sampling
        Intervals, and the null, resample texts.

    Yields
    ------
    Value
    """
    texts = np.unique(text, return_inverse=True)[1]
    n = int(texts.max()) + 1
    draws = sampling.generator(0).multinomial(n, np.full(n, 1 / n), size=sampling.resamples)  # (B, texts)
    weights = np.vstack([np.ones(len(text)), draws[:, texts]]).T  # (M, 1 + B): how often each token counts
    measures: dict[str, Callable[[Floats], Floats]] = {
        "variance_explained": lambda of: 1 - of[0] @ weights / (of[1] @ weights),
        "active_features": lambda of: of[2] @ weights / weights.sum(axis=0),
    }
    for metric, measure in measures.items():
        for name, of in errors.items():
            own, chance = measure(of), measure(null[name])
            interval, of_null = percentiles(own[1:]), percentiles(chance[1:])
            yield Value(UNIT, layer, name, metric, float(own[0]), interval, of_null, len(text))


def mean_value(layer: int, variant: str, metric: str, of: Floats, null: Floats, sampling: Sampling) -> Value:
    """Return the mean of numbers beside that of others, where there is nothing to find.

    Parameters
    ----------
    layer, variant, metric
        As of `Value`.
    of, null : ndarray of shape (N,) and (M,)
        The numbers.
    sampling : Sampling
        The intervals of both means resample them.

    Returns
    -------
    Value
    """

    def interval(numbers: Floats) -> tuple[float, float]:
        return sampling.interval(lambda rows: float(numbers[rows].mean()), len(numbers))

    return Value(UNIT, layer, variant, metric, float(of.mean()), interval(of), interval(null), len(of))
