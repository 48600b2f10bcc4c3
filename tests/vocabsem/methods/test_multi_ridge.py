"""Ridge of several labels: leave-one-out scores one row after the other, thresholds by trying them all."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score

from tests.vocabsem.method_data import make_space, make_states
from vocabsem.errors import DataError
from vocabsem.methods import LabelSpace
from vocabsem.methods._solvers.directions import directions
from vocabsem.methods._solvers.label_ridge import best_threshold, ridge_by_label
from vocabsem.methods._solvers.prior_ridge import PriorRidge
from vocabsem.methods.multi_ridge import MultiRidge
from vocabsem.methods.persistence import from_arrays, to_arrays
from vocabsem.methods.tfidf_one_vs_rest import TfidfOneVsRest

LABELS, D = 3, 16


def normals():
    """(L, D): the direction along which each label is there, beside the mean of all."""
    rows = np.random.default_rng(5).standard_normal((LABELS, D))
    return ((rows - rows.mean(0)) / D**0.5).astype(np.float32)


def several(seed=0, n=80, noise=0.1):
    """States (n, D), and labels (n, L) along a direction each; some rows have none, some several."""
    generator = np.random.default_rng([seed, n])
    states = generator.standard_normal((n, D)).astype(np.float32)
    return states, (states @ normals().T + noise * generator.standard_normal((n, LABELS)) > 0.4).astype(int)


@pytest.mark.parametrize(("n", "d"), [(30, 50), (40, 8)], ids=["wide", "tall"])
def test_scores_without_a_row_are_those_of_a_fit_without_it(n, d):
    generator = np.random.default_rng(n)
    z, prior = generator.standard_normal((n, d)), generator.standard_normal((n, LABELS))
    y = (prior + generator.standard_normal((n, LABELS)) > 0.5).astype(float)
    fit = ridge_by_label(z, prior, y, PriorRidge(alphas=(2.0,), prior_weights=(0.4,)))
    rest = y - 0.4 * prior
    for label in range(LABELS):
        whole = Ridge(alpha=2.0).fit(z, rest[:, label])
        np.testing.assert_allclose(fit.weights[:, label], whole.coef_, atol=1e-12)
        assert fit.intercept[label] == pytest.approx(whole.intercept_)
        without = [
            Ridge(alpha=2.0).fit(np.delete(z, i, 0), np.delete(rest[:, label], i)).predict(z[[i]])[0] for i in range(n)
        ]
        np.testing.assert_allclose(fit.held_out[:, label], without + 0.4 * prior[:, label], atol=1e-10)


def test_fits_are_averaged_by_their_leave_one_out_errors_each_label_alone():
    generator = np.random.default_rng(1)
    z, prior = generator.standard_normal((25, 6)), generator.standard_normal((25, 2))
    y = np.stack([prior[:, 0] > 0.3, z[:, 0] > 0.3], 1).astype(float)
    alphas, betas = (0.5, 5.0), (0.0, 0.5)
    fit = ridge_by_label(z, prior, y, PriorRidge(alphas=alphas, prior_weights=betas))
    for label in range(2):
        held, weights, log_weight = [], [], []
        for alpha in alphas:
            for beta in betas:
                one = ridge_by_label(z, prior, y, PriorRidge(alphas=(alpha,), prior_weights=(beta,)))
                held.append(one.held_out[:, label])
                weights.append(one.weights[:, label])
                squares = ((y[:, label] - held[-1]) ** 2).sum()
                log_weight.append(-12.5 * np.log(squares) + np.log(beta + 0.02))
        share = np.exp(np.array(log_weight) - max(log_weight))
        share /= share.sum()
        np.testing.assert_allclose(fit.held_out[:, label], share @ np.array(held), atol=1e-7)
        np.testing.assert_allclose(fit.weights[:, label], share @ np.array(weights), atol=1e-7)
        assert fit.prior_weight[label] == pytest.approx(0.5 * (share[1] + share[3]), abs=1e-7)
    assert fit.prior_weight[0] > fit.prior_weight[1], "its score says which texts have it"


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_has_a_higher_f1(seed):
    generator = np.random.default_rng(seed)
    y = generator.random(30) < 0.3
    scores = np.round(generator.standard_normal(30) + y, 1)  # some equal
    chosen = f1_score(y, scores >= best_threshold(scores, y), zero_division=0)
    assert chosen == max(f1_score(y, scores >= each, zero_division=0) for each in scores)


def test_all_rows_are_predicted_where_that_is_best():
    assert best_threshold(np.array([3.0, 2.0, 1.0]), np.array([False, True, True])) == -np.inf
    assert best_threshold(np.array([3.0, 2.0, 1.0]), np.array([True, False, False])) == 2.5


def test_learns_what_logistic_regressions_learn():
    states, labels = several(n=300)
    others, truth = several(1, 300)
    fitted = MultiRidge(make_space(d=D), targets="none").fit(states, labels)
    reference = [LogisticRegression(max_iter=500).fit(states, labels[:, c]).predict(others) for c in range(LABELS)]
    ours = f1_score(truth, fitted.predict(others), average="macro")
    # least squares of a hard edge lose a little to the likelihood of it
    assert ours > f1_score(truth, np.stack(reference, 1), average="macro") - 0.05
    assert fitted.score(others, truth) == (fitted.predict(others) == truth).all(1).mean(), "subset accuracy"


def test_probabilities_are_those_of_each_label_and_rise_with_its_score():
    states, labels = several()
    fitted = MultiRidge(make_space(d=D)).fit(states, labels)
    p = fitted.predict_proba(states)
    z = (states - fitted.mean_) / fitted.scale_
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-(z @ fitted.coef_ + fitted.intercept_))), rtol=1e-6)
    np.testing.assert_array_equal(fitted.predict(states), p >= fitted.thresholds_)
    # Platt's likelihood has the means of the held-out rows right; those of the fitted rows are near it
    np.testing.assert_allclose(p.mean(0), labels.mean(0), atol=0.08)
    assert (fitted.predict(states).sum(1) == 0).any(), "a text may have no label"


def test_without_labels_a_text_has_the_labels_whose_words_it_is_near():
    space = make_space(d=D)
    states, _ = make_states(n=500, d=D)
    fitted = MultiRidge(space).fit(states)
    targets = space.anchors / np.linalg.norm(space.anchors, axis=1, keepdims=True)
    z = (states - states.mean(0)) / states.std(0)
    scores = z @ (targets - targets.mean(0)).T.astype(float)
    scores = (scores - scores.mean(0)) / scores.std(0)
    expected = 1 / (1 + np.exp(norm.ppf(1 - 1 / LABELS) - scores))
    np.testing.assert_allclose(fitted.predict_proba(states), expected, atol=1e-5)
    np.testing.assert_array_equal(fitted.predict(states), expected >= 0.5)


def test_with_few_labels_words_that_are_right_help_and_those_that_are_not_do_not_harm_for_long():
    right, wrong = (LabelSpace(words, words, np.zeros(LABELS)) for words in (normals(), make_space(9, d=D).anchors))

    def score(space, n, **params):
        """Mean over draws of the rows."""
        scores = []
        for seed in range(4):
            rows, truth = several(seed, 600, noise=0.3)
            fitted = MultiRidge(space, **params).fit(rows[:n], truth[:n], unlabeled=rows)
            scores.append(f1_score(truth[300:], fitted.predict(rows[300:]), average="macro"))
        return np.mean(scores)

    assert score(right, 12) > score(right, 12, targets="none") + 0.05
    assert score(wrong, 300) > score(right, 300, targets="none") - 0.02


def test_random_targets_are_those_of_the_seed():
    space, (states, _) = make_space(d=D), several()
    one, again, other = (MultiRidge(space, targets="random", random_state=seed).fit(states) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.coef_, again.coef_)
    assert not np.allclose(one.coef_, other.coef_)
    direction = directions(space, "random", 1)
    cosine = [np.corrcoef(other.coef_[:, c], direction[c])[0, 1] for c in range(LABELS)]
    np.testing.assert_allclose(cosine, 1, atol=1e-6)


def test_a_label_that_no_shot_has_is_predicted_by_its_word_or_never():
    states, labels = several()
    labels[:, 0], labels[:, 1] = 0, 1
    by_words = MultiRidge(make_space(d=D)).fit(states)
    mixed = MultiRidge(make_space(d=D)).fit(states, labels)
    np.testing.assert_allclose(mixed.predict_proba(states)[:, :2], by_words.predict_proba(states)[:, :2])
    assert mixed.thresholds_[:2].tolist() == [0.5, 0.5]
    alone = MultiRidge(make_space(d=D), targets="none").fit(states, labels)
    np.testing.assert_allclose(alone.predict_proba(states)[:, :2], [[1 / 82, 81 / 82]] * 80)
    assert alone.predict(states)[:, :2].mean(0).tolist() == [0, 1]


def test_it_is_stored_and_read_again():
    states, labels = several()
    fitted = MultiRidge(make_space(d=D)).fit(states, labels)
    read = from_arrays(*to_arrays(fitted))
    np.testing.assert_array_equal(read.predict(states), fitted.predict(states))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[0, 1, 0]], r"labels \(1, 3\) of type int64, expected \(2, 3\)"),
        ([0, 1], r"labels \(2,\) of type int64, expected \(2, 3\)"),
        ([[0, 1, 2], [0, 0, 0]], "1 where a row has the label, else 0"),
        ([["a", "b", "c"], ["a", "b", "c"]], "1 where a row has the label, else 0"),
        ([[0, 1, 0], [0, 1, 0]], "each label is on all 2 rows or on none, so no threshold can be chosen"),
    ],
)
def test_labels_that_teach_nothing_are_one_error(y, message):
    with pytest.raises(DataError, match=message):
        MultiRidge(make_space(d=D)).fit(several(n=2)[0], y)


def test_nothing_to_learn_from_is_one_error():
    with pytest.raises(DataError, match="targets='none' learns from labels alone: give some, or other targets"):
        MultiRidge(make_space(d=D), targets="none").fit(several(n=4)[0])


TEXTS = ["fine film", "fine acting", "dull film", "dull acting", "slow soup", "warm soup"] * 2
TOPICS = np.array([[1, 0], [0, 0], [1, 0], [0, 0], [0, 1], [0, 1]] * 2)


def test_words_counted_are_a_regression_of_each_label():
    fitted = TfidfOneVsRest(cv=2, costs=(10.0,)).fit(TEXTS, TOPICS)
    assert fitted.predict(TEXTS).tolist() == TOPICS.tolist()
    features = fitted._vectorizer.transform(TEXTS)
    for label in range(2):
        alone = LogisticRegression(C=10.0, tol=1e-10, max_iter=1000).fit(features, TOPICS[:, label])
        expected = alone.predict_proba(features)[:, 1]
        np.testing.assert_allclose(fitted.predict_proba(TEXTS)[:, label], expected, atol=1e-3)
    terms = TfidfOneVsRest(cv=2, costs=(10.0,), max_cv_rows=6).fit(TEXTS, TOPICS)
    np.testing.assert_allclose(terms.predict_proba(TEXTS), fitted.predict_proba(TEXTS), atol=1e-3)


def test_words_counted_of_a_label_on_no_text_or_on_all():
    labels = np.hstack([TOPICS, np.zeros((12, 1), int), np.ones((12, 1), int)])
    fitted = TfidfOneVsRest(cv=2).fit(TEXTS, labels)
    np.testing.assert_array_equal(fitted.predict(TEXTS)[:, 2:], [[0, 1]] * 12)
    np.testing.assert_allclose(fitted.predict_proba(TEXTS)[0, 2:], [1 / 14, 13 / 14])
    single = np.zeros((12, 2), int)
    single[0] = 1
    assert TfidfOneVsRest(cv=2).fit(TEXTS, single).thresholds_.tolist() == [0.5, 0.5]
