"""Methods that add labels to the zero-shot logits: the papers' formulas again, row by row, and each row left out."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.vocabsem.method_data import CLASSES, D, make_space, make_states
from vocabsem.errors import DataError
from vocabsem.methods import CLAP, GDAPrior, LinC, LPPlusPlus, RidgePrior, RidgeProbe, TipAdapter, WhitenedCentroid
from vocabsem.methods._solvers.gaussian import SharedGaussian
from vocabsem.methods._solvers.left_out import WEIGHTS, choose
from vocabsem.methods._solvers.prior_logistic import PriorLogistic, fit_around_prior

PRIORS = [GDAPrior, TipAdapter, LPPlusPlus, CLAP, RidgePrior]


def own_answer(space, states, background):
    """The model's logits, without their mean over the classes and over the texts, of unit deviation."""
    logits, texts = (rows @ space.head.T.astype(float) + space.bias for rows in (states, background))
    logits, texts = (rows - rows.mean(1, keepdims=True) for rows in (logits, texts))
    return (logits - texts.mean(0)) / (texts - texts.mean(0)).std()


def standardized(states, background):
    return (states - background.mean(0, dtype=float)) / background.std(0, dtype=float) / states.shape[1] ** 0.5


def gda(z, labels, classes=CLASSES):
    """The paper's estimate with a plain inverse: logits of any rows, as a function."""
    counts = np.bincount(labels, minlength=classes)
    means = np.stack([z[labels == c].mean(0) if counts[c] else np.zeros(z.shape[1]) for c in range(classes)])
    within = z - means[labels]
    covariance = within.T @ within / (len(z) - 1)
    precision = z.shape[1] * np.linalg.inv((len(z) - 1) * covariance + np.trace(covariance) * np.eye(z.shape[1]))
    squares = np.einsum("cd,de,ce->c", means, precision, means)
    squares[counts == 0] = squares[counts > 0].mean()
    shares = (counts + 1) / (counts + 1).sum()
    return lambda rows: rows @ precision @ means.T + np.log(shares) - squares / 2


def published(trace, rows):
    return np.full_like(trace, D), trace / (rows - 1)


@pytest.mark.parametrize("n", [9, 40, 90])
def test_gda_is_the_paper_s_formula_and_so_without_each_row(n):
    """With fewer rows than columns, and with more."""
    states, labels = make_states(n=n)
    z = standardized(states, make_states(1, n=200)[0])
    gaussian = SharedGaussian(z, labels, CLASSES)
    coef, intercept = gaussian.fit(published)
    assert np.allclose(z @ coef + intercept, gda(z, labels)(z), rtol=1e-8, atol=1e-8)
    rows = np.arange(n)
    expected = np.stack([gda(z[rows != i], labels[rows != i])(z[i]) for i in rows])
    assert np.allclose(gaussian.left_out([published])[0], expected, rtol=1e-8, atol=1e-8)


def test_gda_with_an_absent_class_and_with_one_row_of_a_class():
    states, labels = make_states(n=12, absent=[1])
    labels[labels == 2] = 0
    labels[3] = 2
    z = standardized(states, states)
    rows = np.arange(12)
    result = SharedGaussian(z, labels, CLASSES).left_out([published])[0]
    expected = np.stack([gda(z[rows != i], labels[rows != i])(z[i]) for i in rows])
    assert np.allclose(result, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shrinkage", [0.1, 0.6])
def test_whitened_centroids_are_scikit_learn_s_discriminants(shrinkage):
    states, labels = make_states(n=90)
    background, queries = make_states(3, n=200)[0], make_states(1)[0]
    result = WhitenedCentroid(make_space(), shrinkages=(shrinkage,)).fit(states, labels, unlabeled=background)
    rival = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(standardized(states, background), labels)
    logits, expected = result._logits(queries), rival.decision_function(standardized(queries, background))
    result_, expected = (rows - rows.mean(1, keepdims=True) for rows in (logits, expected))
    factor = (result_ * expected).sum() / (expected**2).sum()  # s, chosen by the rows left out
    assert factor > 0
    assert np.allclose(result_, factor * expected, rtol=1e-3, atol=1e-4)  # μ and σ are kept in float32


def test_whitened_centroids_refuse_full_shrinkage():
    with pytest.raises(DataError, match=r"whitened_centroid: shrinkages=\(1.0,\): give numbers below 1"):
        WhitenedCentroid(make_space(), shrinkages=(1.0,)).fit(*make_states())


@pytest.mark.parametrize(("sharpness", "deviation"), [(0.6, 0.5), (1.5, 0.2)])
def test_the_choice_is_that_of_a_naive_search(sharpness, deviation):
    generator = np.random.default_rng(0)
    labels, prior = np.arange(30) % 3, generator.standard_normal((30, 3))
    candidates = [generator.standard_normal((30, 3)) + strength * np.eye(3)[labels] for strength in (0.0, 2.0, 1.0)]
    costs = {}
    for index, learned in enumerate(candidates):
        learned = learned - learned.mean(1, keepdims=True)
        for weight in WEIGHTS:
            for power in np.linspace(-1.5, 3, 31):
                s = sharpness * np.exp(power)
                log_p = log_softmax(s * (prior + weight * learned / learned.std()), axis=1)
                costs[index, s, s * weight / learned.std()] = (
                    0.5 * (power / deviation) ** 2 - log_p[np.arange(30), labels].sum()
                )
    result = choose(candidates, labels, prior, sharpness=sharpness, deviation=deviation)
    assert result.candidate == 1
    assert tuple(result) == pytest.approx(min(costs, key=costs.get))


def test_one_label_a_class_leaves_the_prior_as_it_is():
    """Without the only row of its class nothing learned speaks for that class."""
    states, labels = make_states(n=3)
    background = make_states(1, n=200)[0]
    space = make_space()
    for method in (TipAdapter, RidgePrior):
        result = method(space).fit(states, labels, unlabeled=background)
        assert np.array_equal(result.predict(background), own_answer(space, background, background).argmax(1))


def test_gda_prior_adds_the_discriminants_to_the_answer():
    states, labels = make_states(n=60)
    background, queries = make_states(3, n=200)[0], make_states(1)[0]
    space = make_space()
    result = GDAPrior(space, weights=(0.7,)).fit(states, labels, unlabeled=background)
    z = standardized(states, background)
    rows = np.arange(60)
    left_out = np.stack([gda(z[rows != i], labels[rows != i])(z[i]) for i in rows])
    unit = (left_out - left_out.mean(1, keepdims=True)).std()
    learned = gda(z, labels)(standardized(queries, background))
    expected = softmax(result.sharpness_ * (own_answer(space, queries, background) + 0.7 / unit * learned), axis=1)
    assert np.allclose(result.predict_proba(queries), expected, atol=1e-3)


def test_ridge_prior_adds_ridge_to_the_answer():
    states, labels = make_states(n=60)
    background, queries = make_states(3, n=200)[0], make_states(1)[0]
    space = make_space()
    result = RidgePrior(space).fit(states, labels, unlabeled=background)
    plain = RidgeProbe(space).fit(states, labels, unlabeled=background)
    left = result._logits(queries) - result.sharpness_ * own_answer(space, queries, background)
    alone = plain._logits(queries)
    left, alone = (rows - rows.mean(1, keepdims=True) for rows in (left, alone))
    assert np.corrcoef(left.ravel(), alone.ravel())[0, 1] == pytest.approx(1, abs=1e-4)


def test_tip_adapter_is_the_paper_s_sum():
    states, labels = make_states(n=30)
    background, queries = make_states(3, n=200)[0], make_states(1, n=7)[0]
    space = make_space()
    result = TipAdapter(space, betas=(5.5,), weights=(0.5,)).fit(states, labels, unlabeled=background)
    keys, rows = standardized(states, background), standardized(queries, background)

    def cache(row, used):
        total = np.zeros(CLASSES)
        for i in used:
            cosine = row @ keys[i] / np.linalg.norm(row) / np.linalg.norm(keys[i])
            total[labels[i]] += np.exp(-5.5 * (1 - cosine))
        return total

    without = np.stack([cache(keys[i], [j for j in range(30) if j != i]) for i in range(30)])
    unit = (without - without.mean(1, keepdims=True)).std()
    learned = np.stack([cache(row, range(30)) for row in rows])
    expected = softmax(result.sharpness_ * (own_answer(space, queries, background) + 0.5 / unit * learned), axis=1)
    assert np.allclose(result.predict_proba(queries), expected, atol=1e-4)


@pytest.mark.parametrize(("multiplier_alpha", "intercept_alpha"), [(None, 0.01), (1.0, 0.01), (1.0, 3.0)])
def test_the_fit_around_a_prior_minimizes_its_loss(multiplier_alpha, intercept_alpha):
    """By another optimizer, without gradients of ours and without principal axes."""
    states, labels = make_states(n=24, d=4, distance=1)
    z, generator = standardized(states, states), np.random.default_rng(0)
    prior, penalties = generator.standard_normal((24, CLASSES)), np.array([0.3, 1.0, 2.0])
    settings = PriorLogistic(alphas=(0.5,), intercept_alpha=intercept_alpha, max_iter=2000)
    fit = fit_around_prior(z, prior, labels, penalties, settings, multiplier_alpha=multiplier_alpha)

    def loss(flat):
        coef, intercept, multiplier = np.split(flat, [12, 15])
        coef = coef.reshape(4, CLASSES)
        multiplier = np.ones(CLASSES) if multiplier_alpha is None else multiplier
        log_p = log_softmax(multiplier * prior + z @ coef + intercept, axis=1)
        penalty = 0.25 * (penalties * coef**2).sum() + 0.25 * intercept_alpha * (intercept**2).sum()
        return penalty + 0.5 * ((multiplier - 1) ** 2).sum() - log_p[np.arange(24), labels].sum()

    start = np.concatenate([np.zeros(15), np.ones(CLASSES)])
    best = minimize(loss, start, method="BFGS", options={"gtol": 1e-6})
    ours = loss(np.concatenate([fit.coef.ravel(), fit.intercept, fit.multiplier]))
    assert ours == pytest.approx(best.fun, abs=1e-4)
    assert np.allclose(fit.coef.ravel(), best.x[:12], atol=2e-2)


@pytest.mark.medium
def test_the_fit_around_a_prior_leaves_each_of_a_few_rows_out():
    states, labels = make_states(n=8)
    z, prior = standardized(states, states), np.random.default_rng(0).standard_normal((8, CLASSES))
    alphas, one = (10.0, 0.3, 0.01), np.ones(CLASSES)
    rows, losses = np.arange(8), []
    for alpha in alphas:
        loss = 0.0
        for i in rows:
            rest = rows != i
            fit = fit_around_prior(z[rest], prior[rest], labels[rest], one, PriorLogistic(alphas=(alpha,)))
            loss -= log_softmax(prior[i] + z[i] @ fit.coef + fit.intercept)[labels[i]]
        losses.append(loss)
    assert fit_around_prior(z, prior, labels, one, PriorLogistic(alphas=alphas)).alpha == alphas[np.argmin(losses)]


def test_clap_trusts_a_class_as_far_as_the_answer_names_its_examples():
    states, labels = make_states(n=60)
    space = make_space()
    result = CLAP(space).fit(states, labels, unlabeled=states)
    p = softmax(result.sharpness_ * own_answer(space, states, states), axis=1)
    assert np.allclose(result.penalties_, [p[labels == c, c].mean() for c in range(CLASSES)], atol=1e-5)
    absent = CLAP(space).fit(*make_states(n=60, absent=[1]))
    assert absent.penalties_[1] == pytest.approx(np.mean([absent.penalties_[c] for c in (0, 2)]), rel=0.05)


def test_lp_plus_plus_learns_which_label_words_to_trust():
    """The words of two classes name them; that of the third is noise."""
    states, labels = make_states(n=240, distance=8)
    background = states.mean(0)
    space = make_space()
    direction = np.stack([(states[labels == c].mean(0) - background) / states.var(0) for c in range(CLASSES)])
    direction[2] = np.random.default_rng(5).standard_normal(D) * np.abs(direction[0]).mean()
    named = type(space)(space.anchors, direction.astype(np.float32), np.zeros(CLASSES, np.float32))
    result = LPPlusPlus(named, alphas=(10.0,), multiplier_alpha=0.01).fit(states, labels)
    assert result.multiplier_[2] < min(result.multiplier_[:2])


@pytest.mark.parametrize("method", PRIORS)
def test_many_labels_outweigh_an_answer_that_is_noise(method):
    states, labels = make_states(n=400, distance=8)
    assert method(make_space()).fit(states[:300], labels[:300]).score(states[300:], labels[300:]) > 0.9


def test_linc_is_a_penalized_map_of_probabilities():
    states, labels = make_states(n=12)
    space = make_space()
    result = LinC(space, alphas=(0.3,)).fit(states, labels)
    p = softmax(space.label_logits(states), axis=1)

    def loss(flat):
        matrix, shift = flat[:9].reshape(3, 3), flat[9:]
        log_p = log_softmax(p @ matrix + shift, axis=1)
        return 0.15 * (((matrix - np.eye(3)) ** 2).sum() + (shift**2).sum()) - log_p[np.arange(12), labels].sum()

    best = minimize(loss, np.append(np.eye(3).ravel(), np.zeros(3)), method="BFGS").x
    assert np.allclose(result.coef_, best[:9].reshape(3, 3), atol=1e-3)
    assert np.allclose(result.intercept_, best[9:], atol=1e-3)
