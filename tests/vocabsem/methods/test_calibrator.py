"""Our calibrator, its five steps written out in float64, its controls, and what labels do to its answer."""

from functools import partial

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn.metrics import f1_score

from tests.vocabsem.method_data import D, make_space, make_states
from vocabsem.errors import DataError
from vocabsem.label_space import target_vectors
from vocabsem.methods import LinearProbe, VocabularyCalibrator
from vocabsem.methods._solvers.gaussian_prior import gaussian_around_prior
from vocabsem.methods._solvers.prior_ridge import PriorRidge, ridge_with_prior
from vocabsem.methods._solvers.self_training import SelfTraining, balance, estimate_shares, self_train
from vocabsem.methods._solvers.stacking import fit_stacking, sharpen

EQUAL = np.full(3, 1 / 3)


def by_hand(states, background, layers=1):
    """z, z̄ and z_L of the docstring, in float64."""
    z = (states - background.mean(0, dtype=np.float64)) / background.std(0, dtype=np.float64)
    each = z.reshape(len(z), layers, -1) / z.shape[1] ** 0.5
    constant = np.full((len(z), 1), 0.3)
    mean = each.sum(1) / layers**0.5
    return np.hstack([each.reshape(len(z), -1), constant]), np.hstack([mean, constant]), each[:, -1]


def directions(space, targets):
    """T: unit targets, less their mean over the classes, summed over what is read."""
    kinds = ["anchors", "head"] if targets == "both" else [targets]
    rows = [target_vectors(space, kind, 0).astype(np.float64) for kind in kinds]
    units = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in rows]
    return sum(each - each.mean(0) for each in units)


@pytest.mark.parametrize("targets", ["both", "anchors", "head", "random"])
@pytest.mark.parametrize("layers", [1, 2])
def test_without_labels_it_is_what_the_vocabulary_says(targets, layers):
    space, (states, _) = make_space(), make_states(d=D * layers)
    result = VocabularyCalibrator(space, targets=targets, layers=layers, rounds=0, mixture_weight=0).fit(states)
    *_, last = by_hand(states, states, layers)
    answer = last @ directions(space, targets).T
    answer = answer / answer.std()
    assert np.allclose(
        result.predict_proba(states), softmax(0.6 * (answer + balance(answer, EQUAL)), axis=1), atol=1e-5
    )


def centered_logits(space, background):
    """The model's, less both means, of unit deviation."""
    logits = space.label_logits(background[:, -D:].astype(np.float64))
    logits = logits - logits.mean(0) - logits.mean(1, keepdims=True) + logits.mean()
    return logits / logits.std()


def clusters(starts, *rows):
    """Mean answers of the Gaussian clusters of the first rows that start from these answers to them."""
    return [np.mean(each, axis=0) for each in zip(*(clusters_of(start, *rows) for start in starts), strict=True)]


def clusters_of(answer, pool, *queries):
    """Log-densities and log shares of Gaussian clusters of the pool that start from an answer to it."""
    pool, *queries = (rows[:, :-1] for rows in (pool, *queries))
    q = softmax(2 * answer, axis=1)
    for _ in range(20):
        means, shares = q.T @ pool / q.sum(0)[:, None], q.mean(0) + 1 / 3
        away = pool[:, None] - means  # (M, C, D)
        covariance = np.einsum("mc,mci,mcj->ij", q, away, away) / len(pool)
        covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        densities = [
            np.stack([multivariate_normal(mean, covariance).logpdf(rows) for mean in means], 1) + np.log(shares)
            for rows in (pool, *queries)
        ]
        q = softmax(densities[0], axis=1)
    centered = [each - each.mean(1, keepdims=True) for each in densities]
    return [each / centered[0].std() for each in centered]


def test_without_labels_clusters_have_a_say():
    space, (states, _) = make_space(), make_states(n=300)
    result = VocabularyCalibrator(space, rounds=0).fit(states)
    z, _, last = by_hand(states, states)
    answer = last @ directions(space, "both").T
    answer = answer / answer.std()
    answer = answer + balance(answer, EQUAL)
    answer = answer + clusters([answer, centered_logits(space, states)], z)[0]
    assert np.allclose(result.predict_proba(states), softmax(0.6 * answer / answer.std(), axis=1), atol=1e-4)


def test_without_labels_the_states_are_the_background():
    space, (states, _) = make_space(), make_states()
    alone = VocabularyCalibrator(space).fit(states)
    beside = VocabularyCalibrator(space).fit(states[:1], unlabeled=states)
    assert alone.coef_.tobytes() == beside.coef_.tobytes()
    with pytest.raises(DataError, match="no states to standardize with"):
        VocabularyCalibrator(space).fit(np.empty((0, D)))


def weighted(z, prior, labels):
    """Step 3's fit where a row weighs 1/√n_c: the ridge regression on rows times the root of their weights."""
    weight = np.bincount(labels)[labels] ** -0.5
    root = np.sqrt(weight / weight.mean())[:, None]
    y = np.eye(3)[labels]
    result = ridge_with_prior(z * root, prior * root, (y - weight @ y / weight.sum()) * root, PriorRidge())
    return result, result.held_out / root


def log_shares(labels):
    counts = np.bincount(labels) + 1
    return counts / counts.sum(), np.log(counts) - np.log(counts).mean()


def stacked(answers, held_out, labels, texts):
    """Step 5's stack: logits of rows, the answers to which are given, and of the labeled rows, each left out."""
    _, shift = log_shares(labels)
    moved = 0.5 * len(labels) / texts
    shares = (0.2 + moved, 0.5 - moved)[: len(answers)]
    factor = sharpen(sum(share * each for share, each in zip(shares, held_out, strict=True)), shift, labels, 0.5)
    start = np.vstack([*[factor * share * np.eye(3) for share in shares], shift])
    alpha = 15.0 * (1 + (2.0 / (len(labels) / 3)) ** 2)
    mixed = fit_stacking(np.hstack([*held_out, np.ones((len(labels), 1))]), labels, start, alpha=alpha)
    return [np.hstack([*each, np.ones((len(each[0]), 1))]) @ mixed for each in (answers, held_out)]


def with_discriminants(logits, held_out, features, prior, labels, texts):
    """Step 5's average: probabilities of rows, the first of which are the texts and the last the labeled ones."""
    z = features[-len(labels) :, :-1]
    fit = gaussian_around_prior(z, labels, prior[-len(labels) :])
    balance = -0.5 * fit.slope * np.log(np.bincount(labels) + 1)
    gaussian = fit.sharpness * prior + features[:, :-1] @ fit.coef + fit.intercept + balance
    share = 0.5 * (len(labels) - 3) / len(labels)
    unit = [each[:texts] - each[:texts].mean(1, keepdims=True) for each in (logits, gaussian)]
    scale = unit[0].std() / unit[1].std()
    estimates = (1 - share) * held_out + share * scale * (fit.held_out + balance)
    factor = sharpen(estimates, np.zeros(3), labels, 0.5)
    return softmax(factor * ((1 - share) * logits + share * scale * gaussian), axis=1)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_all_five_steps_by_hand(layers, rounds):
    """The docstring written out, with the parts that other tests hold to their own formulas."""
    space = make_space()
    pool, _ = make_states(1, n=300, d=D * layers)
    states, labels = make_states(d=D * layers)
    few = np.r_[:12, 12:24:3, 25:34:3, 35]  # eight of the first class, seven and five of the others
    states, labels = states[few], labels[few]
    result = VocabularyCalibrator(space, layers=layers, rounds=rounds).fit(states, labels, pool)
    (z, z_mean, z_last), (p, p_mean, p_last) = by_hand(states, pool, layers), by_hand(pool, pool, layers)
    test, test_mean, test_last = by_hand(make_states(2, d=D * layers)[0], pool, layers)

    def unit(answers):
        return [each / answers[0].std() for each in answers]

    def balanced(answers, shares):
        return [each + balance(answers[0], shares) for each in answers]

    def trained(answer, rows, classes, queries, shares):
        weights = self_train(p_mean, p_mean.T @ p_mean, answer, rows, classes, shares, SelfTraining(rounds=rounds))
        return balanced(unit([x @ weights for x in (p_mean, *queries)]), shares)

    def left(rows):
        """Step 3 from these labeled rows: answers for the pool, the labeled rows and the test, and held out."""
        result, held_out = weighted(z[rows], prior[1][rows], labels[rows])
        direct = [result.prior_weight * x + m @ result.weights for x, m in zip(prior, (p, z, test), strict=True)]
        return unit(direct), held_out / direct[0].std()

    prior = unit([x @ directions(space, "both").T for x in (p_last, z_last, test_last)])
    of_words = balanced(prior, EQUAL)
    if rounds:
        learned = trained(prior[0], z_mean[:0], labels[:0], (z_mean, test_mean), EQUAL)
        prior = unit([x + y for x, y in zip(prior, learned, strict=True)])
    prior = balanced(prior, EQUAL)
    prior = unit(
        [x + y for x, y in zip(prior, clusters([prior[0], centered_logits(space, pool)], p, z, test), strict=True)]
    )
    prior = [20 / 300 * x + 280 / 300 * y for x, y in zip(of_words, prior, strict=True)]
    direct, estimates = left(np.arange(20))
    answers, held_out = [np.vstack([direct[0], direct[2], direct[1]])], [estimates]
    if rounds:
        given, shift = log_shares(labels)
        sharpness = 0.6 * sharpen(0.6 * estimates, shift, labels, 0.5)
        shares = estimate_shares(sharpness * direct[0] + shift, given, 0.2)
        answers.append(np.vstack(trained(direct[0], z_mean, labels, [test_mean, z_mean], shares)))
        spread, dealt = np.empty((20, 3)), np.argsort(labels, kind="stable")
        for number in range(5):  # sorted by class and dealt
            out = dealt[number::5]
            rest = np.setdiff1d(np.arange(20), out)
            spread[out] = trained(left(rest)[0][0], z_mean[rest], labels[rest], [z_mean[out]], shares)[1]
        held_out.append(spread)
    of_all = np.vstack([p, test, z]), np.vstack([prior[0], prior[2], prior[1]])
    expected = with_discriminants(*stacked(answers, held_out, labels, 300), *of_all, labels, 300)
    # float32 in the estimator, over a chain of solves
    assert np.allclose(
        result.predict_proba(make_states(2, d=D * layers)[0]), expected[300 : 300 + len(test)], atol=1e-3
    )


def test_where_all_are_labeled_no_text_is_learned_from():
    """The prior is what the words say, and the labels' own estimates alone are stacked."""
    space, (states, labels) = make_space(), make_states()
    rows = np.r_[:30, 30:90:3]  # 30 of the first class, 10 of either other
    states, labels = states[rows], labels[rows]
    result = VocabularyCalibrator(space).fit(states, labels)
    z, _, last = by_hand(states, states)
    answer = last @ directions(space, "both").T
    answer = answer / answer.std()
    prior = answer + balance(answer, EQUAL)
    left, held_out = weighted(z, prior, labels)
    direct = left.prior_weight * prior + z @ left.weights
    logits = stacked([direct / direct.std()], [held_out / direct.std()], labels, len(labels))
    expected = with_discriminants(*logits, z, prior, labels, len(labels))
    assert np.allclose(result.predict_proba(states), expected, atol=1e-3)


@pytest.mark.parametrize("targets", ["both", "anchors", "random"])
@pytest.mark.parametrize("layers", [1, 2])
def test_calibrated_states_have_the_logits(layers, targets):
    """softmax(t Tᵀ) is the answer, and t − z_L lies in the span of T."""
    space, (states, labels) = make_space(), make_states(d=D * layers)
    result = VocabularyCalibrator(space, layers=layers, targets=targets).fit(states, labels)
    moved, targets = result.transform(states), directions(space, targets)
    assert moved.shape == (90, D)
    assert np.allclose(softmax(moved @ targets.T, axis=1), result.predict_proba(states), atol=1e-4)
    *_, last = by_hand(states, states, layers)
    move = moved - last
    outside = move - move @ np.linalg.pinv(targets, rcond=1e-9) @ targets
    assert np.abs(outside).max() < 1e-4 * np.abs(move).max()


def test_a_control_exchanges_the_targets_and_nothing_else():
    """Reported the same directions under another name, it does the same."""
    space, (states, labels) = make_space(), make_states()
    sampled = target_vectors(space, "random", 5)
    renamed = type(space)(sampled, sampled, space.bias)
    control = VocabularyCalibrator(space, targets="random", random_state=5).fit(states[:9], labels[:9], states)
    for targets in ("anchors", "head", "both"):
        named = VocabularyCalibrator(renamed, targets=targets).fit(states[:9], labels[:9], states)
        assert np.allclose(named.predict_proba(states), control.predict_proba(states), atol=1e-4)
    blind = type(space)(-space.anchors, space.head - 1, space.bias)  # lengths of anchors are kept by random rows
    again = VocabularyCalibrator(blind, targets="random", random_state=5).fit(states[:9], labels[:9], states)
    assert np.allclose(again.predict_proba(states), control.predict_proba(states), atol=1e-4)


def test_without_a_vocabulary_labels_alone_decide():
    """T = 0 is step 3 whose prior prediction has no weight; without labels there is nothing to learn from."""
    space, (states, labels) = make_space(), make_states()
    alone = partial(VocabularyCalibrator, space, discriminant_weight=0.0)
    control = alone(targets="none").fit(states[:9], labels[:9], states)
    unweighted = alone(prior_weights=(0.0,)).fit(states[:9], labels[:9], states)
    assert np.allclose(control.predict_proba(states), unweighted.predict_proba(states), atol=1e-5)
    assert not np.allclose(
        control.predict_proba(states),
        VocabularyCalibrator(space).fit(states[:9], labels[:9], states).predict_proba(states),
    )
    with pytest.raises(DataError, match=r"targets none leave only labels to learn from: give labels"):
        VocabularyCalibrator(space, targets="none").fit(states)


def worlds(order):
    """Anchors and head rows that point along the class means, in this order of classes, and 6000 states."""
    states, labels = make_states(n=6000, distance=3)
    means = np.stack([states[labels == c].mean(0) for c in range(3)]) - states.mean(0)
    rows = (means / states.std(0))[order].astype(np.float32)
    return type(make_space())(rows, rows, np.zeros(3)), states, labels


def test_a_handful_of_labels_undoes_wrong_words():
    """Classes bear each other's names. Without labels nearly all is wrong, with four of each it is as a probe."""
    wrong, states, labels = worlds([1, 2, 0])
    texts, test = states[:4000], (states[4000:], labels[4000:])
    assert VocabularyCalibrator(wrong).fit(texts).score(*test) < 0.1
    order = np.argsort(labels[:4000], kind="stable")
    few = [np.concatenate([order[labels[order] == c][n : n + 4] for c in range(3)]) for n in range(0, 24, 4)]
    for choices in (few, [np.arange(4000)]):
        ours, probe = (
            np.mean([kind(wrong).fit(states[rows], labels[rows], texts).score(*test) for rows in choices])
            for kind in (VocabularyCalibrator, LinearProbe)
        )
        assert ours > probe - 0.02


def test_right_words_help_at_few_labels():
    right, states, labels = worlds([0, 1, 2])
    for n in (0, 4):
        ours, *random = (
            VocabularyCalibrator(right, targets=targets, random_state=seed)
            .fit(states[:n], labels[:n] if n else None, states[:4000])
            .score(states[4000:], labels[4000:])
            for targets, seed in [("both", 0), *(("random", seed) for seed in range(5))]
        )
        assert ours > max(random)
        assert ours > np.mean(random) + 0.3


def test_labels_calibrate_the_probabilities():
    """With many labels the confidence is the share of right answers, to the noise of 2000 examples (.01) and a bit."""
    space, states, labels = worlds([0, 1, 2])
    result = VocabularyCalibrator(space).fit(states[:4000], labels[:4000])
    confidence = result.predict_proba(states[4000:]).max(1).mean()
    assert confidence == pytest.approx(result.score(states[4000:], labels[4000:]), abs=0.03)


def test_classes_of_unlike_size_are_distinguished(monkeypatch):
    """Nine rows of a class in ten. All labels find rare classes as a probe does; 16 of each need their shares."""
    space, states, labels = worlds([0, 1, 2])
    kept = np.sort(np.concatenate([np.flatnonzero(labels == c)[:n] for c, n in enumerate((1800, 140, 60))]))
    states, labels = states[kept], labels[kept]
    train, test = np.arange(0, 2000, 2), np.arange(1, 2000, 2)
    few = train[np.concatenate([np.flatnonzero(labels[train] == c)[:16] for c in range(3)])]

    def macro_f1(kind, rows):
        fitted = kind(space).fit(states[rows], labels[rows], states[train])
        return f1_score(labels[test], fitted.predict(states[test]), average="macro")

    assert macro_f1(VocabularyCalibrator, train) > macro_f1(LinearProbe, train) - 0.02
    estimated = macro_f1(VocabularyCalibrator, few)
    assert estimated > macro_f1(partial(VocabularyCalibrator, uniform_weight=1e9), few) + 0.1


def test_one_label_of_each_class_has_no_discriminants():
    """There is no scatter within classes; with two of one class there is some."""
    space, (states, labels) = make_space(), make_states()
    rows = np.array([np.flatnonzero(labels == c)[0] for c in range(3)])

    def answers(rows, weight):
        fitted = VocabularyCalibrator(space, discriminant_weight=weight).fit(states[rows], labels[rows], states)
        return fitted.predict_proba(states)

    assert np.array_equal(answers(rows, 0.5), answers(rows, 0.0))
    more = np.append(rows, np.flatnonzero(labels == 0)[1])
    assert not np.allclose(answers(more, 0.5), answers(more, 0.0), atol=1e-3)


def test_one_label_of_each_class_hardly_moves_the_stack():
    """Estimates for the only row of a class are wrong by construction: with stiffness 0 they turn the answer about."""
    space, states, labels = worlds([0, 1, 2])
    rows = np.array([np.flatnonzero(labels == c)[0] for c in range(3)])
    loose, stiff = (
        VocabularyCalibrator(space, stacking_shots=shots, stacking_alpha=1.0, rounds=0, mixture_weight=0)
        .fit(states[rows], labels[rows], states[:4000])
        .score(states[4000:], labels[4000:])
        for shots in (0.0, 20.0)
    )
    assert stiff > loose
