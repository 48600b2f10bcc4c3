"""Demonstrations: spelled as the paper shows them, nested with the shots, as many as fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vocabsem.made_tokenizers import byte_level, metaspace
from vocabsem.datasets.demonstrations import choose_demonstrations, encode_demonstrations, max_demonstrations
from vocabsem.datasets.shots import choose_shots
from vocabsem.errors import DataError
from vocabsem.prompts.label_tokens import label_tokens
from vocabsem.prompts.prompting import encode_prompts

TEMPLATE = "review: {text}\nsentiment:"
FIELDS = [{"text": "a good film"}, {"text": "a dull plot"}]
WORDS = ["positive", "negative"]
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 0])


def test_a_demonstration_is_its_prompt_its_word_and_a_blank_line():
    tokenizer = byte_level()
    encoded = encode_demonstrations(tokenizer, TEMPLATE, FIELDS, WORDS, max_tokens=64)
    spelled = tokenizer.decode([token for ids in encoded for token in ids])
    assert spelled == ("review: a good film\nsentiment: positive\n\nreview: a dull plot\nsentiment: negative\n\n")


@pytest.mark.parametrize("make", [byte_level, metaspace])
def test_its_word_is_the_label_token_that_a_question_is_requested(make):
    tokenizer = make()
    prompts = encode_prompts(tokenizer, TEMPLATE, FIELDS, max_tokens=64, prepend_bos=False).token_ids
    encoded = encode_demonstrations(tokenizer, TEMPLATE, FIELDS, WORDS, max_tokens=64)
    answers = label_tokens(tokenizer, WORDS, dataset="made")
    for prompt, ids, answer in zip(prompts, encoded, answers, strict=True):
        assert ids[: len(prompt) + len(answer)] == prompt + answer


def test_a_long_text_is_truncated_and_its_word_is_kept():
    tokenizer = byte_level()
    (ids,) = encode_demonstrations(tokenizer, TEMPLATE, [{"text": "dull " * 50}], ["negative"], max_tokens=20)
    assert tokenizer.decode(ids).endswith("\nsentiment: negative\n\n")
    assert len(ids) <= 20 + len(tokenizer(" negative\n\n")["input_ids"])


def test_they_are_the_first_shots_of_the_seed_in_an_order_of_their_own():
    shown = choose_demonstrations(LABELS, 3, seed=5, classes=2)
    shots = choose_shots(LABELS, 4, 5, 2)
    assert set(shown.tolist()) == set(shots[:6].tolist())
    orders = {tuple(LABELS[choose_demonstrations(LABELS, 3, seed, 2)]) for seed in range(30)}
    assert len(orders) > 5, "classes need not take turns, and the last is not always of the same class"


@given(st.lists(st.integers(1, 9), min_size=10, max_size=10), st.integers(0, 3), st.integers(20, 100))
def test_the_most_that_fit_fit_and_one_more_does_not(lengths, seed, budget):
    questions = [5] * 19 + [50]

    def needed(per_class):
        return 5 + sum(lengths[row] for row in choose_demonstrations(LABELS, per_class, seed, 2))

    if needed(1) > budget:
        with pytest.raises(DataError, match=f"does not fit: {budget} tokens, the prompt needs 5"):
            max_demonstrations(LABELS, lengths, seed, 2, prompt_lengths=questions, max_tokens=budget)
        return
    most = max_demonstrations(LABELS, lengths, seed, 2, prompt_lengths=questions, max_tokens=budget)
    assert needed(most) <= budget
    assert most == 5 or needed(most + 1) > budget
    if budget >= 45 + needed(1):  # whole questions fit too: 50 tokens in place of 5
        whole = max_demonstrations(LABELS, lengths, seed, 2, prompt_lengths=questions, max_tokens=budget, truncated=0.0)
        assert 45 + needed(whole) <= budget
        assert whole == 5 or 45 + needed(whole + 1) > budget


def test_further_orders_are_of_the_same_rows_and_none_is_the_first():
    orders = [choose_demonstrations(LABELS, 4, 7, 2, order=n).tolist() for n in range(6)]
    assert orders[0] == choose_demonstrations(LABELS, 4, 7, 2).tolist()
    assert len({tuple(order) for order in orders}) == 6, "8! orders: two alike would be no chance"
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(orders[0]))}
    assert orders[3] == choose_demonstrations(LABELS, 4, 7, 2, order=3).tolist()


def test_the_seeds_own_order_is_what_it_was():
    """Stored states name their demonstrations by the seed alone: the first order must not change with the code."""
    expected = np.random.default_rng([7, 4]).permutation(choose_shots(LABELS, 4, 7, 2))
    np.testing.assert_array_equal(choose_demonstrations(LABELS, 4, 7, 2), expected)
