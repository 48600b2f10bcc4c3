"""Weights of tokens in closed form, and which poolings a model takes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vocabsem.architectures import save
from vocabsem import TextStates
from vocabsem.errors import DataError
from vocabsem.states.pooling import TOKEN_WEIGHTS, check_poolings, reads_twice

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(LENGTHS, st.integers(0, 4))
def test_weights_are_those_of_their_names(lengths, padding):
    prompt = torch.tensor(lengths)[:, None]
    end = 2 * prompt - 1  # read again without the token that begins it
    position = torch.arange(int(end.max()) + padding)
    weights = {name: of(position, prompt, end).numpy() for name, of in TOKEN_WEIGHTS.items()}
    for row, n in enumerate(lengths):
        rest = len(position) - n
        assert weights["mean"][row].tolist() == [1] * n + [0] * rest
        assert weights["weighted_mean"][row].tolist() == [*range(1, n + 1)] + [0] * rest
        assert weights["echo"][row].tolist() == [0] * n + [1] * (n - 1) + [0] * (rest - n + 1)


def test_a_prompt_is_read_twice_where_any_layer_takes_the_echo():
    assert reads_twice([1, "2:echo"], "last")
    assert reads_twice([1], "echo")
    assert not reads_twice(["1:mean", "2:last"], "echo")
    assert not reads_twice(["1:weighted_mean", 2], "last")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pooling")
    save("llama", folder / "tiny")
    return folder


def test_text_states_pool_as_they_are_set(folder):
    texts = ["good film", "the story was dull"]

    def states(*layers):
        return TextStates(str(folder / "tiny"), layers=layers, dtype="float32", cache=folder).transform(texts)

    each = [states(layer) for layer in ("1:echo", "1:mean", "1:weighted_mean", "last")]
    # rounding of float32 through three layers and batches of other lengths
    together = states("last", "1:weighted_mean", "1:echo", "1:mean")
    np.testing.assert_allclose(together, np.concatenate(each, axis=1), rtol=1e-4, atol=1e-4)
    assert len({other.tobytes() for other in each}) == 4


def test_what_a_model_cannot_be_read_as_is_one_clear_error(folder):
    card = save("llama", folder / "again")
    check_poolings(["1:echo", 3], "last", card, 512)
    with pytest.raises(DataError, match="max_tokens 600 twice is over the context of 1024: set max_tokens to 512"):
        check_poolings(["1:echo", 3], "last", card, 600)
    check_poolings(["1:weighted_mean", 3], "last", card, 600)
    for family in ("masked", "encoder_decoder", "encoder"):
        other = card.model_copy(update={"family": family})
        check_poolings(["1:mean", 3], "mean", other, 600)
        for layers, pooling in ((["1:weighted_mean"], "last"), ([3], "echo")):
            with pytest.raises(DataError, match=f"is for causal models, and this one is {family}: use mean"):
                check_poolings(layers, pooling, other, 100)
