"""Each figure of a lexicon, one word at a time or by a library, and what leaves it as it is."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.lexicon import lexicon_study
from vocabsem.instruments.lexicon_data import Lexicon

WORDS, WIDTH, CV, SEED = 60, 8, 3, 4
SAMPLING = Sampling(resamples=100, null_draws=30, seed=SEED)


@pytest.fixture(scope="module")
def vectors():
    """(n, d): words of even and odd number are apart by about the same, so that some analogies hold."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((WORDS, WIDTH))
    rows[1::2] = rows[::2] + 2 + 0.8 * generator.standard_normal((WORDS // 2, WIDTH))
    return rows


@pytest.fixture(scope="module")
def lexicon(vectors):
    generator = np.random.default_rng(1)
    order = generator.permutation(WORDS)
    pairs = np.stack([order, np.roll(order, 1)], axis=1)
    a, b = 2 * np.stack([generator.permutation(20)[:2] for _ in range(40)], axis=1)
    rated = generator.permutation(WORDS)[:50]
    ratings = vectors[rated] @ generator.standard_normal((WIDTH, 2)) + generator.standard_normal((50, 2))
    return Lexicon(
        words=tuple(f"word{n}" for n in range(WORDS)),
        log_frequency=-np.log1p(generator.permutation(WORDS).astype(float)),
        pairs={
            "made": (pairs, generator.standard_normal(WORDS) + (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1))
        },
        analogies=np.stack([a, a + 1, b, b + 1], axis=1),
        ratings={"scales": (rated, ratings)},
        scales={"scales": ("warm", "near")},
    )


def study(vectors, lexicon):
    return lexicon_study([Space("made", None, vectors)], lexicon, cv=CV, sampling=SAMPLING)


def figures(vectors, lexicon):
    return {(value.unit, value.metric): value for value in study(vectors, lexicon).values}


@pytest.fixture(scope="module")
def values(vectors, lexicon):
    return figures(vectors, lexicon)


def normalized(vectors):
    centered = vectors - vectors.mean(axis=0)
    return centered / np.linalg.norm(centered, axis=1, keepdims=True)


def test_similarity_is_the_rank_correlation_of_cosines_and_the_partial_one_holds_frequency(vectors, lexicon, values):
    pairs, human = lexicon.pairs["made"]
    near = (normalized(vectors)[pairs[:, 0]] * normalized(vectors)[pairs[:, 1]]).sum(axis=1)
    assert values["made", "spearman"].value == pytest.approx(spearmanr(near, human).statistic)
    one, other = lexicon.log_frequency[pairs].T
    held = np.stack([rankdata((one + other) / 2), rankdata(abs(one - other))], axis=1)
    rest = [rankdata(y) - LinearRegression().fit(held, rankdata(y)).predict(held) for y in (near, human)]
    assert values["made", "partial_spearman"].value == pytest.approx(np.corrcoef(rest)[0, 1])


def test_an_analogy_holds_where_the_answer_is_nearest_to_the_sum(vectors, lexicon, values):
    unit, known, right = normalized(vectors), np.unique(lexicon.analogies), 0
    for a, b, c, d in lexicon.analogies:
        target = unit[b] - unit[a] + unit[c]
        right += d == max((word for word in known if word not in (a, b, c)), key=lambda word: unit[word] @ target)
    figure = values["analogies", "accuracy"]
    assert figure.value == pytest.approx(right / len(lexicon.analogies))
    assert 0.1 < figure.value < 0.9
    assert figure.n == 40
    deviation = np.sqrt(figure.value * (1 - figure.value) / 40)
    assert np.ptp(figure.interval) == pytest.approx(2 * 1.96 * deviation, rel=0.3)  # 100 resamples


def test_ratings_are_predicted_as_by_a_pipeline_of_scikit_learn(vectors, lexicon, values):
    rated, ratings = lexicon.ratings["scales"]
    frequency = lexicon.log_frequency[rated][:, None]
    folds = KFold(CV, shuffle=True, random_state=SEED)
    for column, scale in enumerate(lexicon.scales["scales"]):
        rating = ratings[:, column]
        rest = rating - LinearRegression().fit(frequency, rating).predict(frequency)
        for metric, target in (("r2", rating), ("partial_r2", rest)):
            model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 6, 7)))
            expected = r2_score(target, cross_val_predict(model, vectors[rated], target, cv=folds))
            assert values[scale, metric].value == pytest.approx(expected, abs=1e-4)  # float32
            assert values[scale, metric].null[1] < 0.2 < values[scale, metric].value


@pytest.mark.parametrize("change", ["rotation", "scale", "shift"])
def test_no_figure_depends_on_the_frame(vectors, lexicon, values, change):
    generator = np.random.default_rng(5)
    if change == "rotation":
        # Cosines keep under a rotation; ratings do not, as every coordinate is standardized.
        moved = figures(vectors @ np.linalg.qr(generator.standard_normal((WIDTH, WIDTH)))[0], lexicon)
        kept = [name for name in values if name[1] in ("spearman", "partial_spearman", "accuracy")]
    else:
        moved = figures(7 * vectors if change == "scale" else vectors + generator.standard_normal(WIDTH), lexicon)
        kept = list(values)
    assert len(kept) == (3 if change == "rotation" else 7)
    for name in kept:
        assert moved[name].value == pytest.approx(values[name].value, abs=1e-4)
        assert moved[name].null == pytest.approx(values[name].null, abs=1e-3)


def test_items_are_ranked_by_the_difference_of_shares_of_ranks(vectors, lexicon):
    pairs, human = lexicon.pairs["made"]
    near = (normalized(vectors)[pairs[:, 0]] * normalized(vectors)[pairs[:, 1]]).sum(axis=1)
    gap = (rankdata(near) - rankdata(human)) / WORDS
    items = study(vectors, lexicon).items
    assert len(items) == 20
    for end, scores in (("nearer", np.sort(gap)[::-1]), ("farther", np.sort(gap))):
        ranked = [item for item in items if item.item == f"made {end}: made"]
        assert [item.rank for item in ranked] == list(range(1, 11))
        assert [item.score for item in ranked] == pytest.approx(scores[:10].tolist())
        for item in ranked:
            one, other = (int(word.removeprefix("word")) for word in item.text.split(", "))
            (row,) = np.flatnonzero((pairs == (one, other)).all(axis=1))
            assert gap[row] == pytest.approx(item.score)
