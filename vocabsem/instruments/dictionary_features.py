"""What features mean: words by the nearest anchors, tested through the head; and what stands at their two signs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import unit_rows
from vocabsem.instruments.base import Item, Sampling, Value, percentiles
from vocabsem.instruments.dictionary_reconstruction import UNIT, mean_value
from vocabsem.instruments.sparse_autoencoder import Autoencoder

__all__ = ["TokenVocabulary", "feature_values", "sign_values"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
WORDS = 8  # nearest anchors that name a feature
NAMED = 32  # features that are named, those of the most energy
MOVED = 16  # states that each is added to
FEWEST = 10  # held-out tokens at each sign of a feature that is two-signed, and its share of them
SHARE = 0.1


@dataclass(frozen=True, eq=False)
class TokenVocabulary:
    """The tokens that a model knows.

    Attributes
    ----------
    anchors : ndarray of shape (V, d)
        Semantic anchors.
    words : sequence of str
        The tokens as text.
    log_probabilities : callable or None
        States (N, d) → log-probabilities (N, V) of the next token; None where the states do not meet the head.
    """

    anchors: Floats
    words: Sequence[str]
    log_probabilities: Callable[[Floats], Floats] | None


def feature_values(
    layer: int,
    dictionaries: Mapping[str, Autoencoder],
    codes: Mapping[str, Floats],
    states: Floats,
    token: Ints,
    vocabulary: TokenVocabulary,
    sampling: Sampling,
) -> tuple[list[Value], list[Item]]:
    """Name the features of the most energy, and test the names.

    A feature is added to states in its mean strength; the value is by how much the log-probability of its own words
    grows, the null by how much that of another feature's words does.

    Parameters
    ----------
    layer : int
        Of the states.
    dictionaries : mapping of str to Autoencoder
        By activation.
    codes : mapping of str to ndarray of shape (T, m)
        Of held-out tokens.
    states : ndarray of shape (T, d)
        Of these.
    token : ndarray of shape (T,)
        Their numbers in the vocabulary.
    vocabulary : Vocabulary
        Without log-probabilities there is no value.
    sampling : Sampling
        Resamples of features; permutations of their words.

    Returns
    -------
    values : list of Value
        intervention.
    items : list of Item
        Named features by their share of all energy: words of their direction, and the tokens where they are active.
    """
    values, items = [], []
    unit, moved = unit_rows(vocabulary.anchors), np.linspace(0, len(states) - 1, MOVED).astype(int)
    for name, dictionary in dictionaries.items():
        energy = (codes[name] ** 2).sum(axis=0, dtype=np.float64)
        shown = np.argsort(-energy, kind="stable")[:NAMED]
        shown = shown[energy[shown] > 0]
        nearest = np.argsort(-(dictionary.decoder[shown] @ unit.T), axis=1)[:, :WORDS]
        for rank, (feature, words) in enumerate(zip(shown, nearest, strict=True), 1):
            names = ", ".join(vocabulary.words[word] for word in words)
            at = ", ".join(_sides(codes[name][:, feature], token, vocabulary.words))
            share = float(energy[feature] / energy.sum())
            items.append(Item(f"features: {name}", layer, rank, share, f"{names} | at {at}"))
        if vocabulary.log_probabilities:
            grown = _grown(dictionary, shown, nearest, codes[name], states[moved], vocabulary.log_probabilities)
            values.append(_matched(layer, name, "intervention", grown, sampling))
    return values, items


def sign_values(layer: int, codes: Floats, null: Floats, vectors: Floats, sampling: Sampling) -> Iterator[Value]:
    """Yield how many features are active with both signs, and whether the signs stand at opposite tokens.

    Parameters
    ----------
    layer : int
        Of the states.
    codes, null : ndarray of shape (T, m)
        Signed codes of held-out tokens, and of Gaussian vectors.
    vectors : ndarray of shape (T, d)
        Anchors of these tokens.
    sampling : Sampling
        Resamples and permutations of features.

    Yields
    ------
    Value
        two_signed: share of the active features with a tenth of their tokens, and ten, at each sign; null: of the
        Gaussian ones. sign_cosine: mean cosine between the mean centered anchors of the tokens at both signs; null:
        between the signs of different features.
    """
    shares = []
    for each in (codes, null):
        signs = np.stack([(each > 0).sum(axis=0), (each < 0).sum(axis=0)])
        active = signs.sum(axis=0) >= 2 * FEWEST
        both = (signs.min(axis=0) >= np.maximum(FEWEST, SHARE * signs.sum(axis=0))) & active
        shares.append((both, both[active].astype(float)))
    (both, own), (_, chance) = shares
    if not len(own) or not len(chance):
        return
    yield mean_value(layer, "abstopk", "two_signed", own, chance, sampling)
    if both.sum() < 2:
        return
    away = np.asarray(vectors - vectors.mean(axis=0), np.float32)
    kept = codes[:, both]
    up, down = (unit_rows((kept * side > 0).T.astype(np.float32) @ away) for side in (1, -1))
    yield _matched(layer, "abstopk", "sign_cosine", up @ down.T, sampling)


def _matched(layer: int, name: str, metric: str, table: Floats, sampling: Sampling) -> Value:
    """Return the mean of what features (F, F) have with themselves; the null permutes the second of them."""
    own, generator = np.diag(table), sampling.generator(6)
    interval = sampling.interval(lambda rows: float(own[rows].mean()), len(own))
    every = np.arange(len(own))
    null = [table[every, generator.permutation(len(own))].mean() for _ in range(sampling.null_draws)]
    return Value(UNIT, layer, name, metric, float(own.mean()), interval, percentiles(null), len(own))


def _grown(
    dictionary: Autoencoder,
    features: Ints,
    words: Ints,
    codes: Floats,
    states: Floats,
    log_probabilities: Callable[[Floats], Floats],
) -> Floats:
    """Return by how much the mean log-probability of the words of each feature (columns) grows with each (rows)."""
    before, grown = log_probabilities(states), np.empty((len(features), len(features)))
    for row, feature in enumerate(features):
        strength = codes[:, feature][codes[:, feature] > 0]
        step = (strength.mean() if len(strength) else 0) * dictionary.decoder[feature]
        change = (log_probabilities(states + step) - before).mean(axis=0)  # (V,)
        grown[row] = change[words].mean(axis=1)
    return grown


def _sides(codes: Floats, token: Ints, words: Sequence[str]) -> Iterator[str]:
    """Yield the tokens where a feature is strongest, those of its other sign after a minus."""
    for sign, mark in ((1, ""), (-1, "−")):
        strongest = [row for row in np.argsort(-sign * codes)[: 3 * WORDS] if sign * codes[row] > 0]
        yield from (mark + words[token[row]] for row in {int(token[row]): row for row in strongest}.values())
