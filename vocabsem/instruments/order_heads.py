"""Which attention head turns a word into the next of its sequence, from weights alone (Gould et al., 2023).

What a head writes of a word is compared with the head rows of all words of the sequence; the score is how often the
next word is the first. The null has heads of the same singular values in random directions, as many to choose the best
from.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Item, Sampling, StudyResult, Value, percentiles
from vocabsem.instruments.order_words import Ordered
from vocabsem.states.attention_heads import HeadCircuits

__all__ = ["spectra", "succession", "successor_study"]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
ALL = "all sequences"
MAX_LISTED = 10  # heads of a list


def successor_study(circuits: HeadCircuits, sequences: Sequence[Ordered], sampling: Sampling) -> StudyResult:
    """Score every head on every sequence, and on all words of all of them.

    Parameters
    ----------
    circuits : HeadCircuits
        Of all words.
    sequences : sequence of Ordered
        Which of the words have an order.
    sampling : Sampling
        Resamples of words; draws of random heads.

    Returns
    -------
    StudyResult
        head_successor of the best head of each layer, and of all layers, with the interval of that head; its null is of
        the best of as many random heads. The items are the best heads.
    """
    depth = len(circuits.values)
    own = [np.stack([_hits(_written(circuits, layer, of.rows), of) for layer in range(depth)]) for of in sequences]
    own.append(np.concatenate(own, axis=2))  # (L, H, m) each
    names = [*(of.name for of in sequences), ALL]
    values: list[Value] = []
    items: list[Item] = []
    for name, hits, null in zip(names, own, _random_scores(circuits, sequences, sampling), strict=True):
        scores, n = hits.mean(axis=2), hits.shape[2]
        rows = sampling.generator(0).integers(n, size=(sampling.resamples, n))
        for layer in (None, *range(depth)):
            some = slice(None) if layer is None else slice(layer, layer + 1)
            best = int(scores[some].argmax())
            resampled = hits[some].reshape(-1, n)[best][rows].mean(axis=1)
            highest = null[some].max(axis=(0, 1))
            written, value = None if layer is None else layer + 1, float(scores[some].max())
            interval, chance = percentiles(resampled), percentiles(highest)
            values.append(Value(name, written, "best head", "head_successor", value, interval, chance, n))
        items += _best(name, scores)
    return StudyResult(tuple(values), tuple(items))


def succession(sequence: Ordered) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the words of a sequence that have a next one, and these, by number in the sequence.

    Parameters
    ----------
    sequence : Ordered
        The last word of a cycle is followed by the first.

    Returns
    -------
    tuple of ndarray of shape (m,)
    """
    following = sequence.positions + 1
    if sequence.period:
        following %= sequence.period
    number_of = {position: number for number, position in enumerate(sequence.positions.tolist())}
    pairs = [(number, number_of[after]) for number, after in enumerate(following.tolist()) if after in number_of]
    first, second = np.array(pairs, np.intp).reshape(-1, 2).T
    return first, second


def spectra(circuits: HeadCircuits) -> NDArray[np.float64]:
    """Return the singular values of what each head writes of what it reads.

    Parameters
    ----------
    circuits : HeadCircuits
        Of any words.

    Returns
    -------
    ndarray of shape (L, H, r)
        Descending.
    """
    outputs, values = (each.astype(np.float64) for each in (circuits.outputs, circuits.values.swapaxes(2, 3)))
    left, right = np.linalg.qr(outputs)[1], np.linalg.qr(values)[1]  # (L, H, r, r)
    return np.asarray(np.linalg.svd(left @ right.swapaxes(2, 3), compute_uv=False))


def _best(name: str, scores: Floats) -> Iterator[Item]:
    for rank, at in enumerate(np.argsort(-scores, axis=None, kind="stable")[:MAX_LISTED], 1):
        layer, head = divmod(int(at), scores.shape[1])
        yield Item(f"heads: {name}", layer + 1, rank, float(scores[layer, head]), f"head {head}")


def _written(circuits: HeadCircuits, layer: int, rows: NDArray[np.intp]) -> Floats:
    """Return how each head of a layer ranks the words of a sequence after each of them, (H, n, n)."""
    read = circuits.inputs[layer][rows] @ circuits.values[layer].swapaxes(1, 2)  # (H, n, r)
    return np.asarray(read @ circuits.outputs[layer].swapaxes(1, 2) @ circuits.readers[rows].T)


def _hits(logits: Floats, sequence: Ordered) -> Bools:
    """Return whether the next word is the first, (..., n, n) → (..., m)."""
    first, second = succession(sequence)
    return np.asarray(logits[..., first, :].argmax(axis=-1) == second)


def _random_scores(circuits: HeadCircuits, sequences: Sequence[Ordered], sampling: Sampling) -> list[Floats]:
    """Return the scores (L, H, B) of random heads on each sequence, and on all words.

    A draw of two orthonormal bases serves every head once; heads of the same draw have bases of their own.
    """
    singular = spectra(circuits).astype(np.float32)
    draws, (depth, heads, size) = sampling.null_draws, singular.shape
    generator, width = sampling.generator(1), circuits.inputs.shape[2]
    bases = [_orthonormal(generator, width, size) for _ in range(2 * draws)]
    readers = np.stack([circuits.readers @ basis for basis in bases[draws:]])  # (B, N, r)
    hits = [np.empty((depth, heads, draws)) for _ in sequences]
    for layer in range(depth):
        inputs = np.stack([circuits.inputs[layer] @ basis for basis in bases[:draws]])
        for head in range(heads):
            first, second = generator.permutation(draws), generator.permutation(draws)
            for of, scores in zip(sequences, hits, strict=True):
                read = inputs[first][:, of.rows] * singular[layer, head]
                logits = read @ readers[second][:, of.rows].swapaxes(1, 2)
                scores[layer, head] = _hits(logits, of).mean(axis=1)
    sizes = np.array([len(succession(of)[0]) for of in sequences])
    return [*hits, np.tensordot(sizes / sizes.sum(), np.stack(hits), axes=1)]


def _orthonormal(generator: np.random.Generator, width: int, size: int) -> Floats:
    """Return columns of a rotation that favors no direction: those of a QR decomposition with positive diagonal."""
    basis, triangle = np.linalg.qr(generator.standard_normal((width, size)))
    return np.asarray(basis * np.sign(triangle.diagonal()), np.float32)
