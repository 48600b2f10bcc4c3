"""What vectors of words know of their meaning: similarity, analogies and ratings by people, frequency partialled out.

The null of every metric gives each word the vector of another. Rank correlations are those of cosines of centered
vectors; ratings are predicted by ridge regression across words (Cho et al., 2025, show that head rows encode frequency,
which must be held fixed; Hill, Reichart and Korhonen, 2015; Mikolov et al., 2013).
"""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from vocabsem.instruments.base import Item, Sampling, Space, StudyResult, Value, percentiles
from vocabsem.instruments.lexicon_data import Lexicon

__all__ = ["lexicon_study", "partial_spearman"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
ALPHAS = tuple(np.logspace(0, 6, 7))
MAX_LISTED = 10  # pairs at each end of the list of a space
BLOCK = 500  # analogies that are scored at a time


def lexicon_study(spaces: Sequence[Space], lexicon: Lexicon, *, cv: int, sampling: Sampling) -> StudyResult:
    """Compare each space with what people judged of its words.

    Parameters
    ----------
    spaces : sequence of Space
        Vectors of the n words of the lexicon.
    lexicon : Lexicon
        The judgments.
    cv : int
        Folds over words in which ratings are predicted.
    sampling : Sampling
        Resamples of pairs, analogies or words; permutations of the words.

    Returns
    -------
    StudyResult
        Metrics spearman and partial_spearman (of pairs), accuracy (of analogies), r2 and partial_r2 (of ratings); the
        items are the pairs that a space puts nearer, or farther apart, than people do.
    """
    values: list[Value] = []
    items: list[Item] = []
    for space in spaces:
        rows = np.asarray(space.vectors, np.float64)
        unit = _unit(rows - rows.mean(axis=0))
        gram = unit @ unit.T
        values += _similarities(space, gram, lexicon, sampling)
        values.append(_analogies(space, gram, lexicon.analogies, sampling))
        values += _ratings(space, rows, lexicon, cv, sampling)
        items += _farthest(space, gram, lexicon)
    return StudyResult(tuple(values), tuple(items))


def _similarities(space: Space, gram: Floats, lexicon: Lexicon, sampling: Sampling) -> Iterator[Value]:
    generator = sampling.generator(1)
    orders = [generator.permutation(len(gram)) for _ in range(sampling.null_draws)]
    for name, (pairs, human) in lexicon.pairs.items():
        frequency = lexicon.log_frequency[pairs]
        held = np.stack([frequency.mean(axis=1), np.abs(np.diff(frequency, axis=1)[:, 0])], axis=1)
        cosines, every = gram[tuple(pairs.T)], np.arange(len(pairs))
        for metric, fixed in (("spearman", held[:, :0]), ("partial_spearman", held)):
            of = partial(_correlation, human=human, fixed=fixed)
            null = percentiles([of(every, gram[tuple(order[pairs].T)]) for order in orders])
            interval = sampling.interval(partial(of, cosines=cosines), len(pairs))
            yield Value(name, space.layer, space.variant, metric, of(every, cosines), interval, null, len(pairs))


def _correlation(rows: Ints, cosines: Floats, human: Floats, fixed: Floats) -> float:
    return partial_spearman(cosines[rows], human[rows], fixed[rows])


def partial_spearman(one: Floats, other: Floats, fixed: Floats) -> float:
    """Return the rank correlation of two variables, what ranks of others explain of both taken out.

    Parameters
    ----------
    one, other : ndarray of shape (n,)
        The variables.
    fixed : ndarray of shape (n, f)
        The others; with none it is Spearman's.

    Returns
    -------
    float
        0 where a variable is constant, or explained by the others.
    """
    ranks = np.stack([rankdata(one), rankdata(other), *(rankdata(column) for column in fixed.T)], axis=1)
    ranks -= ranks.mean(axis=0)
    both, rest = ranks[:, :2], ranks[:, 2:]
    if rest.shape[1]:
        both = both - rest @ np.linalg.lstsq(rest, both, rcond=None)[0]
    norms = np.linalg.norm(both, axis=0)
    left = norms > 1e-9 * np.linalg.norm(ranks[:, :2], axis=0)
    return float(both[:, 0] @ both[:, 1] / norms.prod()) if left.all() else 0.0


def _analogies(space: Space, gram: Floats, questions: Ints, sampling: Sampling) -> Value:
    """Score 3CosAdd: the word nearest to b − a + c among those of all analogies, a, b and c aside."""
    words, at = np.unique(questions, return_inverse=True)
    at = at.reshape(questions.shape)
    candidates = gram[np.ix_(words, words)].astype(np.float32)
    hits = _hits(candidates, at)
    generator = sampling.generator(2)
    orders = (generator.permutation(len(words)) for _ in range(sampling.null_draws))
    null = percentiles([_hits(candidates[np.ix_(order, order)], at).mean() for order in orders])
    interval = sampling.interval(lambda rows: float(hits[rows].mean()), len(hits))
    return Value("analogies", space.layer, space.variant, "accuracy", float(hits.mean()), interval, null, len(hits))


def _hits(gram: NDArray[np.float32], questions: Ints) -> NDArray[np.bool_]:
    """(q,): whether the fourth word is the answer."""
    parts = []
    for start in range(0, len(questions), BLOCK):
        a, b, c, d = questions[start : start + BLOCK].T
        scores = gram[b] - gram[a] + gram[c]
        for word in (a, b, c):
            scores[np.arange(len(a)), word] = -np.inf
        parts.append(scores.argmax(axis=1) == d)
    return np.concatenate(parts)


def _ratings(space: Space, vectors: Floats, lexicon: Lexicon, cv: int, sampling: Sampling) -> Iterator[Value]:
    """Predict ratings, and what frequency leaves of them, of words that the fit has not seen."""
    for name, (words, ratings) in lexicon.ratings.items():
        n, scales = len(words), lexicon.scales[name]
        design = np.stack([np.ones(n), lexicon.log_frequency[words]], axis=1)
        rest = ratings - design @ np.linalg.lstsq(design, ratings, rcond=None)[0]
        targets = np.concatenate([ratings, rest], axis=1)  # (n, 2s)
        truth, answers = _predictions(vectors[words], targets, cv, sampling)
        names = [(scale, metric) for metric in ("r2", "partial_r2") for scale in scales]
        for column, (scale, metric) in enumerate(names):
            y, p = truth[:, :, column], answers[:, :, column]
            null = percentiles(_r2(y[:, 1:], p[:, 1:]))
            of = partial(_r2_of, truth=y[:, 0], predicted=p[:, 0])
            value, interval = of(np.arange(n)), sampling.interval(of, n)
            yield Value(scale, space.layer, space.variant, metric, value, interval, null, n)


def _predictions(rows: Floats, targets: Floats, cv: int, sampling: Sampling) -> tuple[Floats, Floats]:
    """Return targets and cross-validated predictions (n, 1 + draws, t): as they are, then permuted over the words."""
    n, generator = len(rows), sampling.generator(3)
    orders = np.stack([np.arange(n), *(generator.permutation(n) for _ in range(sampling.null_draws))])
    truth = targets[orders].transpose(1, 0, 2)
    flat, rows = truth.reshape(n, -1).astype(np.float32), rows.astype(np.float32)
    predicted = np.empty_like(flat)
    for train, test in KFold(cv, shuffle=True, random_state=sampling.seed).split(rows):
        scaler = StandardScaler().fit(rows[train])
        model = RidgeCV(ALPHAS, alpha_per_target=True).fit(scaler.transform(rows[train]), flat[train])
        predicted[test] = model.predict(scaler.transform(rows[test]))
    return truth, predicted.reshape(truth.shape).astype(np.float64)


def _r2_of(rows: Ints, truth: Floats, predicted: Floats) -> float:
    return float(_r2(truth[rows], predicted[rows]))


def _r2(truth: Floats, predicted: Floats) -> Floats:
    errors, spread = ((truth - other) ** 2 for other in (predicted, truth.mean(axis=0)))
    total = spread.sum(axis=0)
    return np.asarray(1 - np.divide(errors.sum(axis=0), total, out=np.ones_like(total), where=total > 0))


def _farthest(space: Space, gram: Floats, lexicon: Lexicon) -> Iterator[Item]:
    """Yield the pairs of each collection at both ends of rank by the space minus rank by people."""
    for name, (pairs, human) in lexicon.pairs.items():
        gap = (rankdata(gram[tuple(pairs.T)]) - rankdata(human)) / len(pairs)
        for end, order in (("nearer", np.argsort(-gap)), ("farther", np.argsort(gap))):
            for rank, pair in enumerate(order[:MAX_LISTED], 1):
                one, other = (lexicon.words[word] for word in pairs[pair])
                yield Item(f"{name} {end}: {space.variant}", space.layer, rank, float(gap[pair]), f"{one}, {other}")


def _unit(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return unit
