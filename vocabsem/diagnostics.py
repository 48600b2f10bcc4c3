"""Where a model leans before it has read, and how far its anchors repeat what it says: bias, agreement, rounding."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vocabsem.anchors import semantic_anchors
from vocabsem.label_space import LabelSpace, Vocabulary, of_words
from vocabsem.metrics import evaluate
from vocabsem.similarity import SimilarityMetric, nearest_tokens, similarity_logits

Floats = NDArray[np.floating[Any]]
LogitFunction = Callable[[Floats], Floats]
"""States (n, d) → logits of all tokens (n, V)."""
Where = Literal["raw", "centered"]
Similarity = tuple[Where, SimilarityMetric]

TOP_TOKENS = 10  # tokens that stand for the head of an order
MAX_STATES = 128  # that are compared over the whole vocabulary
BLOCK = 64  # of them at a time: (64, V) ranks in float64 are 25 MB where V is 49,152
BITS = (8, 4)
SIMILARITIES: tuple[Similarity, ...] = (("raw", "dot"), ("raw", "cosine"), ("centered", "dot"), ("centered", "cosine"))


def contextual_bias(probabilities: Floats) -> dict[str, float]:
    """How far the mean of the answers (N, C) is from uniform.

    deficit: log C − H(mean) in nats, 0 where no class is preferred, log C where one always wins; largest_share: of the
    mean, that of its first class.
    """
    mean = np.asarray(probabilities, np.float64).mean(axis=0)
    said = mean[mean > 0]
    return {"deficit": float(np.log(len(mean)) + (said * np.log(said)).sum()), "largest_share": float(mean.max())}


def agreement(states: Floats, own: LogitFunction, others: Mapping[Any, LogitFunction]) -> dict[Any, dict[str, float]]:
    """How like the order in which `own` puts all V tokens is to that of each of the `others`, mean over states (N, d).

    spearman: rank correlation (equal logits take ranks in any order); top1: share of states with the same first token;
    top10: share of the first ten tokens that are in both. Blocks of states, so that (N, V) never exists whole.
    """
    sums = {name: np.zeros(3) for name in others}
    for start in range(0, len(states), BLOCK):
        block = states[start : start + BLOCK]
        expected = _order(own(block))
        for name, score in others.items():
            found = _order(score(block))
            shared = (expected[1][:, :, None] == found[1][:, None, :]).any(axis=2).mean(axis=1)
            first = expected[1][:, 0] == found[1][:, 0]
            sums[name] += [_correlation(expected[0], found[0]).sum(), first.sum(), shared.sum()]
    return {
        name: dict(zip(("spearman", "top1", "top10"), (total / len(states)).tolist(), strict=True))
        for name, total in sums.items()
    }


def quantize_rows(weight: Floats, bits: int) -> NDArray[np.float32]:
    """Rows (V, d) rounded to the nearest of 2^bits − 1 evenly spaced levels, from −max|w| to max|w| of each row."""
    step = np.abs(weight).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    levels = np.rint(np.divide(weight, step, out=np.zeros_like(weight), where=step > 0))
    return np.asarray(levels * step, np.float32)


def vector_variants(vocabulary: Vocabulary, centered: Floats) -> Iterator[tuple[str, Floats, Floats | None]]:
    """Name, vectors (V, d) and what they are another form of, one at a time, as each is as large as the head.

    Its rows, the anchors, those of the centered gauge, and of 8 and 4 bits the rounded rows and the anchors of these.
    """
    yield "head", vocabulary.head, None
    yield "anchors", vocabulary.anchors, None
    yield "anchors.centered", centered, vocabulary.anchors
    for bits in BITS:
        head = quantize_rows(vocabulary.head, bits)
        yield f"head.int{bits}", head, vocabulary.head
        solved = semantic_anchors(torch.from_numpy(head), bias=torch.tensor(vocabulary.bias))
        yield f"anchors.int{bits}", solved.vectors.float().numpy(), vocabulary.anchors


def similarity_metrics(vectors: Floats, reference: Floats, words: list[list[int]]) -> dict[str, float]:
    """How like `vectors` (V, d) are to the `reference` (V, d) where the label `words` (C lists of tokens) are.

    label_cosine: mean cosine between the two vectors of a word; neighbors: share of the ten tokens nearest to a word,
    besides itself, that are the same among both.
    """
    one, other = (of_words(rows, words) for rows in (vectors, reference))
    cosines = np.diagonal(similarity_logits(one, other).numpy())
    near, expected = (
        nearest_tokens(of, rows, TOP_TOKENS + 1)[1].numpy()[:, 1:] for of, rows in ((one, vectors), (other, reference))
    )
    shared = (near[:, :, None] == expected[:, None, :]).any(axis=2)
    return {"label_cosine": float(cosines.mean()), "neighbors": float(shared.mean())}


def evaluate_vectors(
    vectors: Floats, space: LabelSpace, states: Floats, labels: NDArray[np.int64], mean: Floats
) -> dict[Similarity, dict[str, float]]:
    """What similarity to `vectors` (V, d) says of states (N, d), raw and centered on `mean` (d,), by dot and by cosine.

    `agreement` of all tokens with the model's own logits, on up to 128 of the states, evenly chosen; macro_f1 of the
    likeliest label word against labels (N,), on all of them. `space` must hold the vocabulary.
    """
    vocabulary = space.vocabulary
    assert vocabulary is not None
    targets = np.require(vectors, np.float32, "W")
    words = of_words(targets, vocabulary.label_ids)
    shift: dict[Where, Floats] = {"raw": np.zeros_like(mean), "centered": mean}

    def by(comparison: Similarity, rows: Floats) -> LogitFunction:
        where, metric = comparison
        return lambda block: similarity_logits(block - shift[where], rows, metric).numpy()

    sample = states[np.unique(np.linspace(0, len(states) - 1, MAX_STATES).round().astype(int))]
    found = agreement(
        sample,
        lambda block: block @ vocabulary.head.T + vocabulary.bias,
        {comparison: by(comparison, targets) for comparison in SIMILARITIES},
    )
    for comparison, figures in found.items():
        said = by(comparison, words)(states).argmax(axis=1)
        figures["macro_f1"] = evaluate(labels, np.eye(len(words))[said])["macro_f1"]
    return found


def _order(logits: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Logits (n, V) → ranks (n, V) from 0, less their mean, and the first ten tokens (n, 10), best first."""
    tokens = logits.shape[1]
    order = np.argsort(logits, axis=1)
    ranks = np.empty(logits.shape)
    np.put_along_axis(ranks, order, np.arange(tokens, dtype=np.float64)[None] - (tokens - 1) / 2, axis=1)
    return ranks, order[:, : -TOP_TOKENS - 1 : -1]


def _correlation(one: Floats, other: Floats) -> Floats:
    """Of centered ranks without ties (n, V), row by row: Spearman's."""
    tokens = one.shape[1]
    return np.asarray(np.vecdot(one, other) * 12 / (tokens * (tokens**2 - 1)))
