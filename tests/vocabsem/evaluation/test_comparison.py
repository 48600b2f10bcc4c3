"""Paired differences against a naive loop and the textbook; Holm's correction against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from tests.vocabsem.evaluation.test_resampling import answers as few_answers
from tests.vocabsem.evaluation.test_resampling import draws_by_class, holding
from vocabsem.errors import DataError
from vocabsem.evaluation.comparison import difference, holm, paired_bootstrap
from vocabsem.evaluation.metrics import METRICS, evaluate
from vocabsem.evaluation.resampling import resample


def predictions(seed, n=60, classes=3):
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.full(classes, 0.5), n)


LABELS = np.random.default_rng(9).integers(3, size=60)
FIRST = np.stack([predictions(seed) for seed in range(3)])  # (S, N, C)
SECOND = np.stack([predictions(seed) for seed in range(3, 6)])


def answers(hits):
    """hits (N,) of label 0 → probabilities (N, 2)."""
    return np.where(np.asarray(hits, bool)[:, None], [0.8, 0.2], [0.2, 0.8])


@pytest.mark.parametrize("metric", ["macro_f1", "nll", "brier", "ece"])
@pytest.mark.parametrize("second", [SECOND, SECOND[:1]], ids=["three seeds", "one seed"])
def test_equals_a_naive_loop_over_examples_and_seeds(metric, second):
    result = paired_bootstrap(LABELS, FIRST, second, metric=metric, resamples=200, seed=4)
    pairs = list(zip(FIRST, np.broadcast_to(second, FIRST.shape), strict=True))

    def gap(rows, pair):
        one, other = (evaluate(LABELS[rows], p[rows])[metric] for p in pair)
        return one - other

    examples = draws_by_class(LABELS, 200, 4)
    seeds = np.random.default_rng([4, 1]).integers(3, size=(200, 3))
    sampled = np.array(
        [np.mean([gap(rows, pairs[s]) for s in several]) for rows, several in zip(examples, seeds, strict=True)]
    )
    assert result.value == pytest.approx(np.mean([gap(np.arange(60), pair) for pair in pairs]))
    expected = holding(np.quantile(sampled, [0.025, 0.975]), result.value)
    assert (result.low, result.high) == pytest.approx(expected, abs=1e-12)
    assert result.p == pytest.approx(min(1, 2 * ((sampled * result.value <= 0).sum() + 1) / 201))


@given(few_answers(), st.integers(0, 3), st.integers(0, 2), st.sampled_from(sorted(METRICS)))
@settings(max_examples=150, deadline=None)
def test_an_interval_holds_its_difference_and_p_agrees_with_it(case, rows, classes, metric):
    labels, one = case
    other = np.roll(one[:1], (rows, classes), axis=(1, 2))  # the answers of other rows or classes
    result = paired_bootstrap(labels, one, other, metric=metric, resamples=100)
    assert result.low <= result.value <= result.high
    if result.low <= 0 <= result.high:  # the ends lie between the third and the fourth of 100 from outside
        assert result.p >= 2 * 4 / 101
    else:
        assert result.p <= 2 * 4 / 101


def test_a_method_does_not_differ_from_itself():
    same = paired_bootstrap(LABELS, FIRST, FIRST)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_turning_a_pair_round_turns_the_sign():
    one, other = paired_bootstrap(LABELS, FIRST, SECOND), paired_bootstrap(LABELS, SECOND, FIRST)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low), abs=1e-12)
    assert one.p == other.p


def test_the_interval_and_p_are_those_of_a_paired_normal_test():
    """Right where the other is wrong on 80 of 2,000 examples, the reverse on 40: McNemar's situation."""
    hits = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [1000, 80, 40, 880], axis=0).T
    labels = np.zeros(2000, np.int64)
    result = paired_bootstrap(labels, answers(hits[0])[None], answers(hits[1])[None], metric="accuracy", resamples=4000)
    error = np.std(hits[0] - hits[1]) / 2000**0.5
    assert result.value == pytest.approx(0.02)
    # a quantile of 4,000 draws has a standard error of about 1/30 of the half-width, and steps of 1/2000
    assert (result.low, result.high) == pytest.approx((0.02 - 1.96 * error, 0.02 + 1.96 * error), abs=error / 4)
    assert result.p == pytest.approx(2 * norm.sf(0.02 / error), abs=1e-3)
    unpaired = 1.96 * 2**0.5 * 0.5 / 2000**0.5
    assert result.high - result.low < unpaired, "pairing takes the examples' difficulty out"


def test_p_is_uniform_where_nothing_differs():
    """Two methods of the same accuracy: p is below .1 about every tenth time."""
    labels = np.zeros(200, np.int64)
    result = []
    for seed in range(200):
        hits = np.random.default_rng(seed).random((2, 200)) < 0.7
        pair = (answers(one)[None] for one in hits)
        result.append(paired_bootstrap(labels, *pair, metric="accuracy", resamples=200, seed=seed).p)
    share = np.mean(np.array(result) < 0.1)
    assert share == pytest.approx(0.1, abs=0.06), "three standard errors of 200 trials"


def test_samples_of_other_numbers_of_seeds_are_not_paired():
    with pytest.raises(DataError, match="with the same seeds"):
        paired_bootstrap(LABELS, FIRST, SECOND[:2], resamples=20)
    one, other = (resample(LABELS, FIRST, resamples=n)["nll"] for n in (20, 30))
    with pytest.raises(DataError, match="cannot be paired"):
        difference(one, other)


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).shape == (0,)
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=200, deadline=None)
def test_holm_rejects_what_the_step_down_procedure_rejects(p, level):
    """Smallest first, each against level / (number still open), stopping at the first that fails."""
    rejected = set()
    for step, index in enumerate(np.argsort(p, kind="stable")):
        if p[index] * (len(p) - step) > level:
            break
        rejected.add(int(index))
    assert set(np.flatnonzero(holm(p) <= level)) == rejected
    assert (holm(p) >= np.array(p) - 1e-15).all()
