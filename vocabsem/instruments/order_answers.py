"""Whether a model's answers say which of two words comes before the other, and the same of either word.

Each pair of a sequence has two prompts, (a, b) and (b, a). A model that always answers "before" is right every other
time, and never consistent (Qiu et al., Are Large Language Models Temporally Grounded?, 2023).
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.instruments.base import Item, Sampling, StudyResult, Value, percentiles
from vocabsem.instruments.order_words import Ordered

__all__ = ["answers_study"]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def answers_study(
    answers: Mapping[str, Floats], sequences: Sequence[Ordered], layer: int, sampling: Sampling
) -> StudyResult:
    """Measure the answers about all pairs of each sequence.

    Parameters
    ----------
    answers : mapping of str to ndarray of shape (n, n)
        By the name of the sequence: how much more likely "before" is than "after" for word a beside word b, row a and
        column b, in nats. The diagonal is not read.
    sequences : sequence of Ordered
        Their words in order.
    layer : int
        Of the states that the answers are of.
    sampling : Sampling
        Resamples of words; of before_accuracy and before_preference the null shuffles the order, of before_consistency
        it shuffles the answers among the ordered pairs.

    Returns
    -------
    StudyResult
        Shares of before_accuracy: of the ordered pairs, those with the right answer; before_consistency: of the pairs,
        those where (a, b) and (b, a) have different answers; both also of answers less their mean, without the bias
        for one word; before_preference: of the pairs, those where "before" is more likely in the true order than in
        the other. The items are the pairs by that difference.
    """
    values: list[Value] = []
    items: list[Item] = []
    for sequence in sequences:
        scores = np.asarray(answers[sequence.name], np.float64)
        values += _values(sequence, scores, layer, sampling)
        items += _pairs(sequence, scores, layer)
    return StudyResult(tuple(values), tuple(items))


def _values(sequence: Ordered, scores: Floats, layer: int, sampling: Sampling) -> Iterator[Value]:
    n, apart, generator = len(scores), ~np.eye(len(scores), dtype=bool), sampling.generator(3)
    orders = [np.arange(n), *(generator.permutation(n) for _ in range(sampling.null_draws))]
    earlier = np.stack([order[:, None] < order for order in orders])

    def value(variant: str, metric: str, hits: Bools, pairs: int) -> Value:
        """Return a value; the first hits are of the true order and answers, the others those of the null."""
        shares, interval = hits[:, apart].mean(axis=1), percentiles(_resampled(hits[0] & apart, apart, sampling))
        return Value(sequence.name, layer, variant, metric, float(shares[0]), interval, percentiles(shares[1:]), pairs)

    for variant, bias in (("answers", 0.0), ("answers, centered", scores[apart].mean())):
        before = np.repeat((scores > bias)[None], len(orders), axis=0)
        yield value(variant, "before_accuracy", before == earlier, n * (n - 1))
        before[1:, apart] = generator.permuted(before[1:, apart], axis=1)
        yield value(variant, "before_consistency", before != before.transpose(0, 2, 1), n * (n - 1) // 2)
    yield value("answers", "before_preference", (scores > scores.T) == earlier, n * (n - 1) // 2)


def _resampled(hits: Bools, apart: Bools, sampling: Sampling) -> Floats:
    """Return the share of hits among pairs of different words of each resample; one of a single word is left out."""
    n = len(hits)
    resamples = sampling.generator(0).integers(n, size=(sampling.resamples, n))
    counts = (resamples[:, :, None] == np.arange(n)).sum(axis=1)
    counts = counts[(counts > 0).sum(axis=1) > 1].astype(np.float64)
    right, of = (np.einsum("bi,ij,bj->b", counts, pairs, counts) for pairs in (hits, apart))
    return np.asarray(right / of)


def _pairs(sequence: Ordered, scores: Floats, layer: int) -> Iterator[Item]:
    first, second = np.triu_indices(len(scores), 1)
    gaps = scores[first, second] - scores[second, first]
    for rank, pair in enumerate(np.argsort(-gaps, kind="stable"), 1):
        text = f"{sequence.words[first[pair]]} before {sequence.words[second[pair]]}"
        yield Item(f"{sequence.name}: before", layer, rank, float(gaps[pair]), text)
