"""What sparse autoencoders of the states of tokens find, beside PCA, anchors as a dictionary, and Gaussian states.

The null of what a dictionary explains is the same training on Gaussian vectors of the states' mean and covariance: what
it explains of those is no structure that words or meanings gave them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Sampling, StudyResult, Value
from vocabsem.instruments.dictionary_features import TokenVocabulary, feature_values, sign_values
from vocabsem.instruments.dictionary_probes import DENSE, probe_values
from vocabsem.instruments.dictionary_reconstruction import (
    gaussian_rows,
    mean_value,
    reconstruction_errors,
    reconstruction_values,
)
from vocabsem.instruments.sparse_autoencoder import ACTIVATIONS, Autoencoder, train_autoencoder
from vocabsem.runtime.parallel import parallel_map

__all__ = ["Settings", "TokenStates", "dictionary_study"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
MEASURED = 1000  # held-out tokens, evenly spaced, whose reconstruction is measured


@dataclass(frozen=True, eq=False)
class TokenStates:
    """T tokens of the N texts of a data set's split, at one layer.

    Attributes
    ----------
    states : ndarray of shape (T, d)
        Of the tokens.
    text : ndarray of shape (T,)
        Number of each token's text, from 0.
    token : ndarray of shape (T,)
        Its number in the vocabulary.
    labels : ndarray of shape (N,)
        Classes of the texts, from 0.
    """

    states: Floats
    text: Ints
    token: Ints
    labels: Ints

    @property
    def last(self) -> Floats:
        """States of the texts' last tokens, (N, d)."""
        return self.states[np.flatnonzero(np.diff(self.text, append=-1))]


@dataclass(frozen=True)
class Settings:
    """How dictionaries are trained and read.

    Attributes
    ----------
    features, k, epochs : int
        As in `train_autoencoder`.
    shots : tuple of int
        Labeled texts a class of a probe.
    repeats : int
        Draws of these texts.
    """

    features: int
    k: int
    epochs: int
    shots: tuple[int, ...]
    repeats: int


def dictionary_study(
    layer: int,
    train: Mapping[str, TokenStates],
    test: Mapping[str, TokenStates],
    vocabulary: TokenVocabulary,
    settings: Settings,
    sampling: Sampling,
) -> tuple[StudyResult, dict[str, Autoencoder]]:
    """Train dictionaries on the tokens of all data sets, and measure what they explain, separate and mean.

    Parameters
    ----------
    layer : int
        Of the states.
    train, test : mapping of str to TokenStates
        By data set.
    vocabulary : Vocabulary
        Anchors and words; log-probabilities where states of this layer have them.
    settings : Settings
        Of training and probes.
    sampling : Sampling
        Resamples of texts or features; permutations.

    Returns
    -------
    result : StudyResult
        Of the tokens variance_explained and active_features of each dictionary, alive of those that are trained,
        two_signed and sign_cosine of abstopk, intervention where there are log-probabilities; of each data set
        probe_f1. The items are the features that are most active, by their words.
    dictionaries : dict of str to Autoencoder
        By activation.
    """
    rows, others = (np.concatenate([each.states for each in of.values()]) for of in (train, test))
    seen, token = (np.concatenate([each.token for each in of.values()]) for of in (train, test))
    starts = np.cumsum([0, *(len(each.labels) for each in test.values())])
    text = np.concatenate([each.text + start for each, start in zip(test.values(), starts, strict=False)])
    gaussian = gaussian_rows(rows, len(rows) + len(others), sampling.generator(1))
    made, other_made = gaussian[: len(rows)], gaussian[len(rows) :]
    trained, null = _trained([rows, made], settings, sampling.seed)
    common = np.argsort(-np.bincount(seen), kind="stable")[: settings.features]
    random = sampling.generator(2).standard_normal((len(common), rows.shape[1]))
    atoms = {"anchors": vocabulary.anchors[common], "random": random}
    some = np.unique(np.linspace(0, len(others) - 1, min(MEASURED, len(others))).astype(int))
    errors = reconstruction_errors(rows, others[some], trained, atoms, settings.k)
    of_null = reconstruction_errors(made, other_made[some], null, atoms, settings.k)
    values = list(reconstruction_values(layer, errors, of_null, text[some], sampling))
    codes = {name: each.codes(others) for name, each in trained.items()}
    null_codes = {name: each.codes(other_made) for name, each in null.items()}
    values += [_alive(layer, name, codes[name], null_codes[name], sampling) for name in codes]
    values += sign_values(layer, codes["abstopk"], null_codes["abstopk"], vocabulary.anchors[token], sampling)
    named, items = feature_values(layer, trained, codes, others, token, vocabulary, sampling)
    values += named
    for name, of in train.items():
        last, others_last = of.last, test[name].last
        given = {DENSE: (last, others_last)}
        given |= {kind: (each.codes(last), each.codes(others_last)) for kind, each in trained.items()}
        labels = of.labels, test[name].labels
        values += probe_values(name, layer, given, labels, settings.shots, settings.repeats, sampling)
    return StudyResult(tuple(values), tuple(items)), trained


def _trained(given: Sequence[Floats], settings: Settings, seed: int) -> list[dict[str, Autoencoder]]:
    """Return the dictionaries of each set of rows, by activation."""
    import torch

    def train(job: tuple[Floats, str]) -> Autoencoder:
        rows, activation = job
        sizes = {"features": settings.features, "k": settings.k, "epochs": settings.epochs}
        return train_autoencoder(rows, activation, **sizes, seed=seed)

    with parallel_map(torch.device("cpu")) as map_:
        trained = iter(list(map_(train, [(rows, activation) for rows in given for activation in ACTIVATIONS])))
    return [{activation: next(trained) for activation in ACTIVATIONS} for _ in given]


def _alive(layer: int, name: str, codes: Floats, null: Floats, sampling: Sampling) -> Value:
    """Return the share of features that are active on any held-out token; intervals resample features."""
    on, off = ((each != 0).any(axis=0).astype(float) for each in (codes, null))
    return mean_value(layer, name, "alive", on, off, sampling)
