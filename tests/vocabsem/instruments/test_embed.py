"""Documents against people: planted agreement, noise, documents with errors."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import ndcg_score

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.embed import embed_study, ndcg, pair_correlations

N, WIDTH = 24, 16
SAMPLING = Sampling(resamples=60, null_draws=60, seed=0)
TEXTS = [f"document {number}" for number in range(N)]


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def ratings_of(vectors):
    """Similarities by people who see the cosines of vectors, in steps of a tenth."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    human = np.round((unit @ unit.T + 1) / 2, 1)
    np.fill_diagonal(human, 0)
    return human


def figures(vectors, human, wrong=None, sampling=SAMPLING):
    errors = {"typos": [Space("made", 2, wrong)]} if wrong is not None else {}
    result = embed_study({"documents": [Space("made", 2, vectors)]}, errors, human, TEXTS, sampling)
    return {(value.unit, value.metric): value for value in result.values}, result.items


def test_planted_agreement_is_seen_and_survives_small_errors():
    vectors = normal(0, N, WIDTH)
    values, items = figures(vectors, ratings_of(vectors), vectors + 0.2 * normal(1, N, WIDTH))
    for at in (("documents", "spearman"), ("documents", "ndcg"), ("typos", "spearman"), ("typos", "recovered")):
        assert values[at].value > 0.9
        assert values[at].interval[0] > values[at].null[1]
    assert values["documents", "spearman"].n == N * (N - 1) // 2
    assert values["typos", "recovered"].n == N
    assert {item.item for item in items} == {"documents nearer: made", "documents farther: made"}
    assert items[0].text.startswith("document ")


def test_noise_lies_in_its_null_as_often_as_it_says():
    inside = []
    for seed in range(8):
        human = ratings_of(normal(seed + 100, N, WIDTH))
        values, _ = figures(normal(seed, N, WIDTH), human, normal(seed + 50, N, WIDTH), Sampling(2, 60, seed))
        inside += [value.null[0] <= value.value <= value.null[1] for value in values.values()]
    assert np.mean(inside) > 0.85


def test_errors_that_make_another_document_are_not_recovered():
    vectors = normal(2, N, WIDTH)
    values, _ = figures(vectors, ratings_of(vectors), np.roll(vectors, 1, axis=0))
    assert values["typos", "recovered"].value == 0
    assert values["typos", "spearman"].interval[0] < values["typos", "spearman"].null[1]


def test_the_correlation_of_pairs_is_scipys_and_a_document_drawn_twice_is_no_pair():
    cosines, human = (ratings_of(normal(seed, N, WIDTH)) for seed in (3, 4))
    above = np.triu_indices(N, 1)
    expected = spearmanr(cosines[above], human[above]).statistic
    assert pair_correlations(cosines, human, np.arange(N)[None]) == pytest.approx(expected)
    rows = np.array([3, 3, 5, 7, 9])
    pairs = [(3, 5), (3, 7), (3, 9)] * 2 + [(5, 7), (5, 9), (7, 9)]
    expected = spearmanr([cosines[pair] for pair in pairs], [human[pair] for pair in pairs]).statistic
    assert pair_correlations(cosines, human, rows[None]) == pytest.approx(expected)
    assert pair_correlations(np.ones((N, N)), human, np.arange(N)[None]) == 0


@pytest.mark.parametrize("depth", [1, 10, 10_000])
def test_the_gain_is_that_of_scikit_learn(depth):
    human, cosines = ratings_of(normal(5, N, WIDTH)), normal(6, N, N)
    for row, gain in enumerate(ndcg(cosines, human, depth)):
        others = np.delete(np.arange(N), row)
        assert gain == pytest.approx(ndcg_score([human[row, others]], [cosines[row, others]], k=depth))
    assert ndcg(human, human) == pytest.approx(np.ones(N))


def test_rows_of_zero_stay():
    vectors = normal(7, N, WIDTH)
    human = ratings_of(vectors)
    vectors[0] = 0
    values, _ = figures(vectors, human)
    assert np.isfinite(values["documents", "spearman"].value)


def test_documents_that_are_all_one_have_no_figures():
    vectors, one = normal(8, N, WIDTH), np.full((N, WIDTH), 0.1)
    groups = {"documents": [Space("made", 2, vectors), Space("made", 0, one)]}
    errors = {"typos": [Space("made", 0, one)]}
    result = embed_study(groups, errors, ratings_of(vectors), TEXTS, SAMPLING)
    assert {(value.unit, value.layer) for value in result.values} == {("documents", 2)}
