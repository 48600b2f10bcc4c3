"""Columns of the options' scores against the same computed option by option, and what cyclic orders cancel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from vocabsem.errors import DataError
from vocabsem.methods import PointwiseMutualInformation, ZeroShot
from vocabsem.states.choice_scores import choice_space, cyclic_orders, letter_columns, option_columns

ROWS = [[-3.0, -8.0, -5.0], [-2.0, -4.0]]  # log P of the options of two rows
TOKENS, CHARACTERS = [[1, 4, 2], [2, 2]], [[5, 20, 6], [3, 9]]
FREE = [[-1.0, -9.0, -6.0], [-7.0, -4.0]]


@pytest.mark.parametrize(
    ("scoring", "lengths"),
    [("exact", [[1, 1, 1], [1, 1]]), ("exact_mean", TOKENS), ("exact_characters", CHARACTERS)],
)
def test_an_option_is_as_probable_as_its_score_beside_those_of_its_row(scoring, lengths):
    columns = option_columns(ROWS, TOKENS, CHARACTERS, 3)
    probabilities = ZeroShot(choice_space(3, scoring)).fit(columns).predict_proba(columns)
    for row, (scores, length) in enumerate(zip(ROWS, lengths, strict=True)):
        expected = softmax(np.divide(scores, length))
        np.testing.assert_allclose(probabilities[row, : len(scores)], expected, rtol=1e-5)  # float32
        assert (probabilities[row, len(scores) :] == 0).all(), "an option that is not there has no probability"


@pytest.mark.parametrize("scoring", ["exact", "exact_mean"])
def test_mutual_information_takes_away_what_an_option_is_worth_without_a_text(scoring):
    both = [option_columns(ROWS, TOKENS, CHARACTERS, 3), option_columns(FREE, TOKENS, CHARACTERS, 3, missing=0)]
    columns = np.concatenate(both, axis=1)
    space = choice_space(3, scoring, content_free=True, less_content_free=True)
    probabilities = (
        PointwiseMutualInformation(space).fit(columns, unlabeled=np.zeros_like(columns)).predict_proba(columns)
    )
    for row, (scores, free) in enumerate(zip(ROWS, FREE, strict=True)):
        length = TOKENS[row] if scoring == "exact_mean" else 1
        expected = softmax(np.subtract(scores, free) / length)
        np.testing.assert_allclose(probabilities[row, : len(scores)], expected, rtol=1e-5)
        assert (probabilities[row, len(scores) :] == 0).all()
    beside = choice_space(3, scoring, content_free=True).label_logits(columns)
    assert np.array_equal(beside, choice_space(3, scoring).label_logits(both[0])), "where only another takes them away"


@given(st.integers(2, 6))
def test_each_option_stands_once_at_each_letter(count):
    names = "ABCDEF"[:count]
    orders = cyclic_orders({"text": "q", **{name: f"option {name}" for name in names}}, names)
    assert orders[0] == {"text": "q", **{name: f"option {name}" for name in names}}
    for name in names:
        assert {order[name] for order in orders} == {f"option {each}" for each in names}
    assert all(sorted(order.values()) == sorted(orders[0].values()) for order in orders)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(0, 1000))
def test_a_preference_for_letters_is_gone_from_the_mean_over_orders(count, seed):
    """Log P(letter) = prior of the letter + worth of the option there, but for a constant of each order."""
    rng = np.random.default_rng(seed)
    prior, worth = 3 * rng.standard_normal(count), rng.standard_normal((4, count))
    observed = [
        log_softmax([prior[j] + worth[row, (j + r) % count] for j in range(count)])
        for row in range(4)
        for r in range(count)
    ]
    columns = letter_columns(observed, count)
    mean, once = (choice_space(count, scoring).label_logits(columns) for scoring in ("letters", "letters_once"))
    np.testing.assert_allclose(softmax(mean, axis=1), softmax(worth, axis=1), atol=1e-5)  # float32
    np.testing.assert_allclose(softmax(once, axis=1), softmax(prior + worth, axis=1), atol=1e-5)


def test_two_orders_leave_a_preference_for_the_outer_letters_of_four():
    """Why all cyclic orders are run: forward and backward alone, A and D share a prior, and B and C another."""
    prior = np.array([2.0, 0, 0, 2.0])
    both = (prior + prior[::-1]) / 2
    assert np.ptp(both) == 2
    cyclic = np.mean([np.roll(prior, r) for r in range(4)], axis=0)
    assert np.ptp(cyclic) == 0


def test_letters_less_content_free_scores_are_refused():
    with pytest.raises(DataError, match="'letters' is to be less content-free scores, and there are none"):
        choice_space(4, "letters", less_content_free=True)
