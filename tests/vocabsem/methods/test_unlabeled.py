"""Methods that learn from texts without labels, against loops of their formulas and scikit-learn."""

import numpy as np
import pytest
from scipy.special import digamma, gammaln, log_softmax, softmax
from scipy.stats import multivariate_normal
from sklearn import semi_supervised
from sklearn.linear_model import Ridge
from sklearn.mixture import GaussianMixture
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC

from tests.vocabsem.method_data import CLASSES, D, make_space, make_states
from tests.vocabsem.methods.test_priors import own_answer, standardized
from vocabsem.errors import DataError
from vocabsem.methods import (
    EMDirichlet,
    GaussianEM,
    KernelSVC,
    LabelSpace,
    LabelSpreading,
    LinearProbe,
    PointwiseMutualInformation,
    ProbeSelfTraining,
    PrototypicalCalibration,
    RandomFeatures,
    RidgeProbe,
    RidgeSelfTraining,
    TransCLIP,
    ZeroShot,
)
from vocabsem.methods._solvers.nearest import nearest
from vocabsem.methods.em_dirichlet import _fit_dirichlet


def named_space(distance, weight=1.0):
    """A label space whose head points at the class means, so that the model's answer is better than chance."""
    states, labels = make_states(5, n=3000, distance=distance)
    rows = np.stack([(states[labels == c].mean(0) - states.mean(0)) / states.var(0) for c in range(CLASSES)])
    head = (weight * rows).astype(np.float32)
    return LabelSpace(head, head, -head @ states.mean(0))


def test_gaussian_em_is_a_loop_over_densities():
    states, labels = make_states(n=9, distance=3)
    pool, queries = make_states(1, n=60, distance=3)[0], make_states(2, n=20, distance=3)[0]
    space = make_space()
    settings = {"shrinkage": 0.3, "uniform_weight": 0.5, "labeled_weight": 4.0, "max_iter": 3}
    result = GaussianEM(space, n_components=D, **settings).fit(states, labels, unlabeled=pool)
    z, given, query_rows = (standardized(rows, pool) for rows in (pool, states, queries))
    q = softmax(2 * own_answer(space, pool, pool), axis=1)
    for _ in range(3):
        rows = np.vstack([z, given])
        weights = np.vstack([q, 4 * np.eye(CLASSES)[labels]])
        means = [np.average(rows, axis=0, weights=weights[:, c]) for c in range(CLASSES)]
        covariance = (
            sum(
                weight * np.outer(row - means[c], row - means[c])
                for row, weighted in zip(rows, weights, strict=True)
                for c, weight in enumerate(weighted)
            )
            / weights.sum()
        )
        covariance = 0.7 * covariance + 0.3 * np.trace(covariance) / D * np.eye(D)
        shares = weights.sum(0) / weights.sum() + 0.5 / CLASSES
        log_density = lambda rows: np.stack([multivariate_normal(m, covariance).logpdf(rows) for m in means], 1)  # noqa: E731, B023
        q = softmax(log_density(z) + np.log(shares), axis=1)
    assert np.allclose(
        result.predict_proba(queries), softmax(log_density(query_rows) + np.log(shares), axis=1), atol=1e-3
    )


@pytest.mark.parametrize("method", [GaussianEM, TransCLIP])
def test_texts_without_labels_help_an_answer_that_is_better_than_chance(method):
    space = named_space(4.0, weight=0.2)
    pool, queries = make_states(1, n=600, distance=4)[0], make_states(2, n=600, distance=4)
    noisy = LabelSpace(space.anchors, space.head + 0.4 * make_space().head * np.abs(space.head).mean(), space.bias)
    answer = ZeroShot(noisy).fit(pool).score(*queries)
    assert method(noisy).fit(pool).score(*queries) > answer + 0.02


def test_em_dirichlet_raises_its_own_likelihood_and_is_at_rest():
    """Each step raises Σ log Σ_c π_c Dir(q; a_c), and the last changes nothing."""
    space, pool = named_space(3.0, weight=0.1), make_states(1, n=300, distance=3)[0]
    q = softmax(2 * own_answer(space, pool, pool), axis=1) + 1e-6
    log_q = np.log(q / q.sum(1, keepdims=True))

    def likelihood(steps):
        fitted = EMDirichlet(space, max_iter=steps).fit(pool)
        a = fitted.concentration_
        density = [gammaln(a[c].sum()) - gammaln(a[c]).sum() + log_q @ (a[c] - 1) for c in range(CLASSES)]
        return np.logaddexp.reduce(np.stack(density, 1) + fitted.log_shares_, axis=1).sum()

    values = [likelihood(steps) for steps in (2, 5, 20, 80, 81)]
    assert values == sorted(values)
    assert values[4] - values[3] < 1e-3 * (values[1] - values[0])


def test_a_dirichlet_is_fitted_to_the_means_of_logarithms():
    generator = np.random.default_rng(0)
    true = np.array([[2.0, 1.0, 4.0], [0.5, 3.0, 0.8]])
    mean_log = np.stack([np.log(generator.dirichlet(a, 20_000)).mean(0) for a in true])
    fitted = np.full((2, 3), 2.0)
    for _ in range(20):
        fitted = _fit_dirichlet(mean_log, fitted)
    assert np.allclose(digamma(fitted) - digamma(fitted.sum(1, keepdims=True)), mean_log, atol=1e-6)
    assert np.allclose(fitted, true, rtol=0.05)


PUBLISHED = {"n_updates": 5, "n_neighbors": 3, "n_confident": 8, "density_divisor": 50.0, "labeled_prior_weight": 0.5}
OTHERS = {"n_updates": 3, "n_neighbors": 2, "n_confident": 5, "density_divisor": 20.0, "labeled_prior_weight": 0.8}


@pytest.mark.parametrize("params", [{}, OTHERS])
@pytest.mark.parametrize("n", [0, 9])
def test_transclip_is_a_loop_of_its_updates(n, params):
    """The published updates with a dense graph, its entries and sums written out."""
    states, labels = make_states(n=max(n, 1), distance=3)
    labels = labels[:n]
    pool, queries = make_states(1, n=40, distance=3)[0], make_states(2, n=20, distance=3)[0]
    space = make_space()
    result = TransCLIP(space, gammas=(0.2,), max_iter=4, **params)
    updates, k, confident, divisor, prior_weight = (PUBLISHED | params).values()
    result = result.fit(states, labels, unlabeled=pool) if n else result.fit(pool)
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    u = unit(standardized(np.vstack([pool, states[:n]]), pool))
    weight_of_prior = prior_weight if n else 1.0
    q = softmax(2 * own_answer(space, pool, pool), axis=1)
    graph = np.zeros((len(u), 40))
    for i, row in enumerate(u @ u[:40].T):
        for j in np.argsort(-row)[1 : k + 1]:
            graph[i, j] = row[j]
    given = np.eye(CLASSES)[labels]
    r = np.vstack([q, given])
    if n:
        means = unit(given.T @ u[40:])
    else:
        most_confident = [np.argsort(-q[:, c])[:confident] for c in range(CLASSES)]
        means = unit(np.stack([(q[rows, c, None] * u[rows]).mean(0) for c, rows in enumerate(most_confident)]))
    variance = np.full(D, 1 / D)
    weight = np.append(np.full(40, 1 / 40), np.full(n, 50 * 0.2 / max(n, 1)))
    for step in range(5):
        density = -0.5 * ((u[:40, None] - means) ** 2 / variance).sum(2)
        for _ in range(updates):
            pulled = graph.T @ r + graph[:40] @ r[:40]
            r[:40] = softmax(weight_of_prior * np.log(q) + density / divisor + pulled / (2 * k), axis=1)
        if step < 4:
            shares = weight[:, None] * r
            means = unit(shares.T @ u / shares.sum(0)[:, None])
            variance = np.einsum("ic,icd->d", shares, (u[:, None] - means) ** 2) / shares.sum()
    query_rows = unit(standardized(queries, pool))
    density = -0.5 * ((query_rows[:, None] - means) ** 2 / variance).sum(2)
    expected = softmax(
        weight_of_prior * np.log(softmax(2 * own_answer(space, queries, pool), axis=1)) + density / divisor, axis=1
    )
    assert np.allclose(result.predict_proba(queries), expected, atol=1e-3)


def test_prototypical_calibration_is_scikit_learn_s_mixture_with_its_components_named():
    space, (pool, labels) = named_space(6.0, weight=0.05), make_states(1, n=300, distance=6)
    result = PrototypicalCalibration(space, random_state=3).fit(pool)
    log_p = log_softmax(space.label_logits(pool), axis=1)
    mixture = GaussianMixture(3, n_init=10, reg_covar=1e-3, random_state=3, max_iter=500).fit(log_p)
    component = [int(np.argmin(((mixture.means_ - mean) ** 2).sum(1))) for mean in result.means_]
    assert sorted(component) == [0, 1, 2]
    assert np.allclose(result.predict_proba(pool), mixture.predict_proba(log_p)[:, component], atol=1e-6)
    assert result.score(pool, labels) > 0.8


def test_ridge_self_training_is_ridge_on_labels_and_soft_labels():
    states, labels = make_states(n=12)
    pool, queries = make_states(1, n=50)[0], make_states(2, n=20)[0]
    result = RidgeSelfTraining(make_space(), rounds=2).fit(states, labels, unlabeled=pool)
    plain = RidgeProbe(make_space()).fit(states, labels, unlabeled=pool)
    z, texts, query_rows = (standardized(rows, pool) * D**0.5 for rows in (states, pool, queries))
    soft = softmax(3 * plain._logits(pool), axis=1)
    for _ in range(2):
        rival = Ridge(plain.alpha_).fit(np.vstack([z, texts]), np.vstack([np.eye(CLASSES)[labels], soft]))
        soft = softmax(3 * plain.sharpness_ * rival.predict(texts), axis=1)
    expected = softmax(plain.sharpness_ * rival.predict(query_rows), axis=1)
    assert np.allclose(result.predict_proba(queries), expected, atol=1e-4)


def test_probe_self_training_is_a_probe_of_rows_weighed_by_their_soft_labels():
    """A row with soft labels is one row of each class, weighed: the gradient of that loss is 0."""
    states, labels = make_states(n=12)
    pool = make_states(1, n=50)[0]
    result = ProbeSelfTraining(make_space(), tol=1e-12).fit(states, labels, unlabeled=pool)
    plain = LinearProbe(make_space(), tol=1e-12).fit(states, labels, unlabeled=pool)
    both = standardized(np.vstack([states, pool]), pool) * D**0.5
    targets = np.vstack([np.eye(CLASSES)[labels], softmax(3 * plain._logits(pool), axis=1)])
    excess = softmax(both @ result.coef_ + result.intercept_, axis=1) - targets
    gradient = both.T @ excess + plain.alpha_ * result.coef_
    assert np.abs(gradient).max() < 0.02 * np.abs(both.T @ (1 / CLASSES - targets)).max()


def test_without_rounds_self_training_is_the_plain_method():
    states, labels = make_states()
    pool = make_states(1, n=50)[0]
    for method, plain in ((RidgeSelfTraining, RidgeProbe), (ProbeSelfTraining, LinearProbe)):
        result = method(make_space(), rounds=0).fit(states, labels, unlabeled=pool)
        expected = plain(make_space()).fit(states, labels, unlabeled=pool)
        assert np.array_equal(result._logits(pool), expected._logits(pool))


def test_labels_spread_as_in_scikit_learn():
    states, labels = make_states(n=12, distance=4)
    pool, queries = make_states(1, n=80, distance=4)[0], make_states(2, n=30, distance=4)[0]
    result = LabelSpreading(make_space(), n_neighbors=5).fit(states, labels, unlabeled=pool)
    rows = standardized(np.vstack([states, pool]), pool)
    rival = semi_supervised.LabelSpreading(kernel="knn", n_neighbors=5, max_iter=200)
    rival.fit(rows, np.append(labels, np.full(80, -1)))
    expected = rival.predict_proba(standardized(queries, pool))
    assert np.allclose(result.predict_proba(queries), expected, atol=2e-3)  # 1e-4 per class is added
    with pytest.raises(DataError, match=r"label_spreading: alpha=1\.0: give a number below 1"):
        LabelSpreading(make_space(), alpha=1.0).fit(states, labels)


@pytest.mark.parametrize("k", [1, 4, 90])
def test_nearest_rows_are_scikit_learn_s(k, monkeypatch):
    rows, queries = make_states()[0].astype(float), make_states(1, n=20)[0].astype(float)
    monkeypatch.setattr("vocabsem.methods._solvers.nearest.ENTRIES", 200)
    indices, squares = nearest(queries, rows, k)
    distances, expected = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors(queries)
    assert np.array_equal(indices, expected)
    assert np.allclose(squares, distances**2)


def test_pmi_is_the_difference_of_log_probabilities_of_all_tokens():
    """What is left out, the mass on other tokens, is equal for all classes."""
    states, free = make_states(n=20)[0], make_states(1, n=3)[0]
    generator = np.random.default_rng(0)
    vocabulary = generator.standard_normal((40, D)).astype(np.float32)
    space = LabelSpace(vocabulary[:3], vocabulary[:3], np.zeros(3))
    log_p, log_free = (log_softmax(rows @ vocabulary.T, axis=1)[:, :3] for rows in (states, free))
    expected = softmax(log_p - log_free.mean(0), axis=1)
    result = PointwiseMutualInformation(space).fit(states, unlabeled=free)
    assert np.allclose(result.predict_proba(states), expected, atol=1e-4)


def test_random_features_are_ridge_on_them():
    states, labels = make_states(n=60)
    pool, queries = make_states(1, n=50)[0], make_states(2, n=20)[0]
    result = RandomFeatures(make_space(), n_features=30, random_state=4).fit(states, labels, unlabeled=pool)
    projection = np.random.default_rng(4).standard_normal((D, 30), np.float32)
    features = lambda rows: np.maximum(standardized(rows, pool) * D**0.5 @ projection, 0) * (2 / 30) ** 0.5  # noqa: E731
    rival = Ridge(result.alpha_).fit(features(states), np.eye(CLASSES)[labels])
    expected = softmax(result.sharpness_ * rival.predict(features(queries)), axis=1)
    assert np.allclose(result.predict_proba(queries), expected, atol=1e-3)


def test_kernel_svc_is_scikit_learn_s_of_each_class_against_the_others():
    states, labels = make_states(n=90)
    queries = make_states(1)[0]
    result = KernelSVC(make_space(), costs=(3.0,), gammas=(0.7,)).fit(states, labels)
    rival = OneVsRestClassifier(SVC(C=3.0, gamma=0.7)).fit(standardized(states, states), labels)
    assert np.allclose(result._logits(queries), rival.decision_function(standardized(queries, states)), atol=5e-3)


def test_kernel_svc_draws_from_many_rows_and_keeps_every_class():
    states, labels = make_states(n=300, distance=6)
    labels[labels == 2] = 0
    labels[7] = 2
    result = KernelSVC(make_space(), max_rows=40).fit(states, labels)
    assert 40 <= len(result.rows_) <= 43
    assert (result.coef_[:, 2] != 0).any()
