"""Which tokens of prompts the study of dictionaries reads."""

import numpy as np

from tasks.steps.token_reads import TokenRows
from tasks.studies.dictionary import _of


def rows(*prompts):
    """Token rows of prompts, whose states are their tokens' numbers."""
    lengths, token = [len(prompt) for prompt in prompts], np.concatenate(prompts)
    text, position = np.repeat(np.arange(len(prompts)), lengths), np.concatenate([np.arange(n) for n in lengths])
    ids, labels = [f"train-{n}" for n in range(len(prompts))], np.arange(len(prompts)) % 2
    return TokenRows(ids, labels, text, position, token, {3: token[:, None].astype(np.float32)})


def test_tokens_that_all_prompts_begin_with_are_left_out():
    states = _of(rows([9, 8, 5, 6, 7], [9, 8, 4, 7], [9, 8, 6, 7]), 3)
    assert states.token.tolist() == [5, 6, 7, 4, 7, 6, 7]
    assert states.text.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert states.last[:, 0].tolist() == [7, 7, 7]
    assert states.labels.tolist() == [0, 1, 0]


def test_a_first_token_is_left_out_where_none_is_shared():
    states = _of(rows([1, 5], [2, 6, 7]), 3)
    assert states.token.tolist() == [5, 6, 7]
    assert states.states[:, 0].tolist() == [5, 6, 7]


def test_the_last_token_of_a_prompt_stays_where_one_prompt_is_the_start_of_another():
    states = _of(rows([1, 2], [1, 2, 3]), 3)
    assert states.last[:, 0].tolist() == [2, 3]
