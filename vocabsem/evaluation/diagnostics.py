"""Diagnose a model: contextual bias of its answers, and how far its anchors agree with its own logits."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vocabsem.evaluation.metrics import evaluate
from vocabsem.label_space import LabelSpace, Vocabulary, of_words
from vocabsem.vocabulary.anchors import semantic_anchors
from vocabsem.vocabulary.similarity import SimilarityMetric, nearest_tokens, similarity_logits

__all__ = [
    "MAX_STATES",
    "SIMILARITIES",
    "agreement",
    "contextual_bias",
    "evaluate_vectors",
    "quantize_rows",
    "similarity_metrics",
    "vector_variants",
]

Floats = NDArray[np.floating[Any]]
LogitFunction = Callable[[Floats], Floats]
"""States (n, d) → logits of all tokens (n, V)."""
Centering = Literal["raw", "centered"]
Similarity = tuple[Centering, SimilarityMetric]

TOP_TOKENS = 10  # first tokens of an order that are compared
MAX_STATES = 128  # states that are compared over the whole vocabulary
BLOCK = 64  # of them at a time: (64, V) ranks in float64 are 25 MB where V is 49,152
BITS = (8, 4)
SIMILARITIES: tuple[Similarity, ...] = (("raw", "dot"), ("raw", "cosine"), ("centered", "dot"), ("centered", "cosine"))


def contextual_bias(probabilities: Floats) -> dict[str, float]:
    """Measure how far the mean of predicted probabilities is from uniform.

    Parameters
    ----------
    probabilities : ndarray of shape (N, C)
        Predictions, such as those for content-free inputs (Zhao et al., 2021).

    Returns
    -------
    dict of str to float
        deficit: log C − H(mean) in nats, 0 where no class is preferred, log C where one always wins; largest_share:
        the largest entry of the mean.

    Examples
    --------
    >>> contextual_bias(np.array([[1.0, 0.0], [0.0, 1.0]]))
    {'deficit': 0.0, 'largest_share': 0.5}
    """
    mean = np.asarray(probabilities, np.float64).mean(axis=0)
    present = mean[mean > 0]
    deficit = float(np.log(len(mean)) + (present * np.log(present)).sum())
    return {"deficit": deficit, "largest_share": float(mean.max())}


def agreement(states: Floats, own: LogitFunction, others: Mapping[Any, LogitFunction]) -> dict[Any, dict[str, float]]:
    """Compare the order in which `own` puts all V tokens with that of each of `others`, mean over states.

    Blocks of states are compared at a time, so that (N, V) never exists whole.

    Parameters
    ----------
    states : ndarray of shape (N, d)
        Hidden states.
    own : callable
        States (n, d) → logits (n, V): the reference.
    others : mapping to callables
        The same, by any key.

    Returns
    -------
    dict to dict of str to float
        For each key, spearman: rank correlation (equal logits take ranks in any order); top1: share of states with the
        same first token; top10: share of the first ten tokens that are in both.

    Examples
    --------
    >>> states, head = np.eye(2), np.arange(40.0).reshape(20, 2) % 7
    >>> agreement(states, lambda h: h @ head.T, {"same": lambda h: 2 * (h @ head.T)})["same"]["top1"]
    1.0
    """
    sums = {name: np.zeros(3) for name in others}
    for start in range(0, len(states), BLOCK):
        block = states[start : start + BLOCK]
        ranks, tokens = _order(own(block))
        for name, logits in others.items():
            other_ranks, other_tokens = _order(logits(block))
            shared = (tokens[:, :, None] == other_tokens[:, None, :]).any(axis=2).mean(axis=1)
            first = tokens[:, 0] == other_tokens[:, 0]
            sums[name] += [_correlation(ranks, other_ranks).sum(), first.sum(), shared.sum()]
    return {
        name: dict(zip(("spearman", "top1", "top10"), (total / len(states)).tolist(), strict=True))
        for name, total in sums.items()
    }


def quantize_rows(weight: Floats, bits: int) -> NDArray[np.float32]:
    """Round rows to the nearest of 2^bits − 1 evenly spaced levels, from −max|w| to max|w| of each row.

    Parameters
    ----------
    weight : ndarray of shape (V, d)
        Rows of a head.
    bits : int
        2 or more.

    Returns
    -------
    ndarray of shape (V, d), float32

    Examples
    --------
    >>> quantize_rows(np.array([[1.0, 0.4, -0.6]]), 2).tolist()
    [[1.0, 0.0, -1.0]]
    """
    step = np.abs(weight).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    levels = np.rint(np.divide(weight, step, out=np.zeros_like(weight), where=step > 0))
    return np.asarray(levels * step, np.float32)


def vector_variants(vocabulary: Vocabulary, centered: Floats) -> Iterator[tuple[str, Floats, Floats | None]]:
    """Yield the variants of token vectors, one at a time, as each is as large as the head.

    Parameters
    ----------
    vocabulary : Vocabulary
        Head rows and anchors of V tokens.
    centered : ndarray of shape (V, d)
        Anchors of the centered gauge.

    Yields
    ------
    name : str
        head, anchors, anchors.centered, and of 8 and 4 bits the quantized rows and the anchors of these.
    vectors : ndarray of shape (V, d)
    reference : ndarray of shape (V, d) or None
        What the vectors are another form of.

    Examples
    --------
    >>> [name for name, vectors in vector_variants(space.vocabulary, centered)]  # doctest: +SKIP
    ['anchors', 'centered anchors', 'head rows']
    """
    yield "head", vocabulary.head, None
    yield "anchors", vocabulary.anchors, None
    yield "anchors.centered", centered, vocabulary.anchors
    for bits in BITS:
        head = quantize_rows(vocabulary.head, bits)
        yield f"head.int{bits}", head, vocabulary.head
        solved = semantic_anchors(torch.from_numpy(head), bias=torch.tensor(vocabulary.bias))
        yield f"anchors.int{bits}", solved.vectors.float().numpy(), vocabulary.anchors


def similarity_metrics(
    vectors: Floats, reference: Floats, words: list[list[int]], n_neighbors: int = TOP_TOKENS
) -> dict[str, float]:
    """Measure how similar vectors are to a reference at the label words.

    Parameters
    ----------
    vectors, reference : ndarray of shape (V, d)
        Two vectors of each token.
    words : list of list of int
        Token ids of each of C label words; a word of several tokens has the mean of their vectors.
    n_neighbors : int, default=10
        Nearest tokens that are compared.

    Returns
    -------
    dict of str to float
        label_cosine: mean cosine between the two vectors of a word; neighbors: share of the tokens nearest to a
        word, besides itself, that are the same in both.

    Examples
    --------
    >>> rows = np.eye(12, dtype=np.float32)
    >>> similarity_metrics(rows, 2 * rows, [[0]])["label_cosine"]
    1.0
    """
    one, other = (of_words(rows, words) for rows in (vectors, reference))
    cosines = np.diagonal(similarity_logits(one, other).numpy())
    near, expected = (
        nearest_tokens(of, rows, n_neighbors + 1)[1].numpy()[:, 1:] for of, rows in ((one, vectors), (other, reference))
    )
    shared = (near[:, :, None] == expected[:, None, :]).any(axis=2)
    return {"label_cosine": float(cosines.mean()), "neighbors": float(shared.mean())}


def evaluate_vectors(
    vectors: Floats,
    space: LabelSpace,
    states: Floats,
    labels: NDArray[np.int64],
    mean: Floats,
    n_states: int = MAX_STATES,
) -> dict[Similarity, dict[str, float]]:
    """Evaluate similarity to `vectors` as a read-out of states: raw and centered, by dot product and by cosine.

    Parameters
    ----------
    vectors : ndarray of shape (V, d)
        A vector of each token.
    space : LabelSpace
        With its vocabulary.
    states : ndarray of shape (N, d)
        States that meet the head.
    labels : ndarray of shape (N,)
        Their classes.
    mean : ndarray of shape (d,)
        What centered states are centered on.
    n_states : int, default=128
        States whose agreement over the whole vocabulary is measured, evenly spaced.

    Returns
    -------
    dict of (centering, metric) to dict of str to float
        The `agreement` of all tokens with the model's own logits, on up to `n_states` of the states; macro_f1
        of the most similar label word, on all states.

    Examples
    --------
    >>> from vocabsem.label_space import LabelSpace
    >>> rows = np.eye(3, dtype=np.float32)
    >>> space = LabelSpace(rows[:2], rows[:2], np.zeros(2))
    >>> scores = evaluate_vectors(rows, space, rows[:2], np.array([0, 1]), np.zeros(3, np.float32))  # doctest: +SKIP
    """
    vocabulary = space.vocabulary
    assert vocabulary is not None
    targets = np.require(vectors, np.float32, "W")
    words = of_words(targets, vocabulary.label_ids)
    shift: dict[Centering, Floats] = {"raw": np.zeros_like(mean), "centered": mean}

    def logits_by(similarity: Similarity, rows: Floats) -> LogitFunction:
        centering, metric = similarity
        return lambda block: similarity_logits(block - shift[centering], rows, metric).numpy()

    sample = states[np.unique(np.linspace(0, len(states) - 1, n_states).round().astype(int))]
    results = agreement(
        sample,
        lambda block: block @ vocabulary.head.T + vocabulary.bias,
        {similarity: logits_by(similarity, targets) for similarity in SIMILARITIES},
    )
    for similarity, metrics in results.items():
        predicted = logits_by(similarity, words)(states).argmax(axis=1)
        metrics["macro_f1"] = evaluate(labels, np.eye(len(words))[predicted])["macro_f1"]
    return results


def _order(logits: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return ranks (n, V) from 0, less their mean, and the first ten tokens (n, 10), best first."""
    tokens = logits.shape[1]
    order = np.argsort(logits, axis=1)
    ranks = np.empty(logits.shape)
    np.put_along_axis(ranks, order, np.arange(tokens, dtype=np.float64)[None] - (tokens - 1) / 2, axis=1)
    return ranks, order[:, : -TOP_TOKENS - 1 : -1]


def _correlation(one: Floats, other: Floats) -> Floats:
    """Return Spearman's correlation of centered ranks without ties (n, V), row by row."""
    tokens = one.shape[1]
    return np.asarray(np.vecdot(one, other) * 12 / (tokens * (tokens**2 - 1)))
