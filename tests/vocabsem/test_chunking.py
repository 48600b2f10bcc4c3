"""Texts that are too long for a prompt: nothing of them is lost, and their states are means."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.vocabsem.architectures import save
from tests.vocabsem.made_tokenizers import byte_level
from vocabsem import extract, load_model
from vocabsem.chunking import encode_chunks, split_text
from vocabsem.prompting import encode_prompts

TEMPLATE = 'review: "{text}"\nsentiment:'
LONG = "the good film of this story was great " * 6
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=300)


def encode(*texts, max_chunks=8, template=TEMPLATE, max_tokens=24, tokenizer=None, **settings):
    rows = [text if isinstance(text, dict) else {"text": text} for text in texts]
    given_ = {"max_tokens": max_tokens, "prepend_bos": False} | settings
    return encode_chunks(tokenizer or byte_level(), template, rows, max_chunks=max_chunks, **given_)


def bodies(chunked, template=TEMPLATE):
    """What stands in the template's place for a text, in each prompt."""
    before, after = template.split("{text}")
    return [text.removeprefix(before).removesuffix(after) for text in chunked.prompts.texts]


@given(text=WORDS, parts=st.integers(1, 12))
def test_a_split_loses_and_moves_nothing_but_white_space(text, parts):
    pieces = split_text(text, parts)
    assert len(pieces) <= parts
    assert all(piece == piece.strip() != "" for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(words=st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True), min_size=30, max_size=90), parts=st.integers(2, 6))
def test_a_split_is_between_words_and_even(words, parts):
    longest = max(map(len, words)) + 1  # a border moves by a word at most, at both ends
    assume(len(" ".join(words)) > 2 * longest * parts)
    pieces = split_text(" ".join(words), parts)
    assert " ".join(pieces).split() == words
    assert all(abs(len(piece) - len(" ".join(words)) / parts) <= 2 * longest for piece in pieces)


@given(text=WORDS.filter(str.strip), max_tokens=st.integers(20, 40))
@settings(max_examples=60)
def test_every_prompt_fits_and_together_they_hold_the_text(text, max_tokens):
    chunked = encode(text.strip(), max_chunks=1000, max_tokens=max_tokens)
    assert all(len(ids) <= max_tokens for ids in chunked.prompts.token_ids)
    assert not chunked.truncated.any()
    assert "".join("".join(bodies(chunked)).split()) == "".join(text.split())


def test_a_text_that_fits_is_one_prompt_and_others_are_as_few_as_fit():
    chunked = encode("a good film", LONG, "a bad one")
    assert chunked.sizes[[0, 2]].tolist() == [1, 1]
    assert encode(LONG, max_chunks=int(chunked.sizes[1])).truncated.tolist() == [False]
    assert encode(LONG, max_chunks=int(chunked.sizes[1]) - 1).truncated.tolist() == [True]
    alone = encode(LONG)
    assert chunked.tokens.tolist() == [
        len(chunked.prompts.token_ids[0]),
        *alone.tokens,
        len(chunked.prompts.token_ids[-1]),
    ]
    assert chunked.prompts.texts[1:-1] == alone.prompts.texts


def test_a_single_chunk_is_the_truncated_prompt():
    one, plain = (
        encode(LONG, "bad", max_chunks=1),
        encode_prompts(byte_level(), TEMPLATE, [{"text": LONG}, {"text": "bad"}], max_tokens=24, prepend_bos=False),
    )
    assert one.prompts.token_ids == plain.token_ids
    assert one.truncated.tolist() == plain.truncated.tolist() == [True, False]
    assert one.sizes.tolist() == [1, 1]


def test_of_two_fields_the_longer_is_split_and_the_other_in_every_prompt():
    row = {"premise": LONG, "hypothesis": "the film was bad"}
    chunked = encode(row, template="{premise} / {hypothesis}", max_tokens=40)
    assert chunked.sizes[0] > 1
    parts = [text.split(" / ") for text in chunked.prompts.texts]
    assert {hypothesis for _, hypothesis in parts} == {"the film was bad"}
    assert " ".join(premise for premise, _ in parts) == LONG.strip()


def test_no_texts_are_no_prompts():
    chunked = encode()
    assert chunked.prompts.token_ids == []
    assert len(chunked.sizes) == len(chunked.truncated) == len(chunked.tokens) == 0


@pytest.mark.parametrize("layer", ["last", "1:mean"])
def test_the_state_of_a_text_is_the_mean_of_those_of_its_prompts(tmp_path, layer):
    model = load_model(save("llama", tmp_path / "network"), tmp_path / "cache", dtype="float32", device="cpu")
    chunked = encode("bad", LONG, "good", template="{text} sentiment :", tokenizer=model.tokenizer)
    (states,) = extract(model, chunked.prompts.token_ids, [layer]).values()
    first, *chunks, last = (
        next(iter(extract(model, [ids], [layer]).values()))[0].astype(np.float64) for ids in chunked.prompts.token_ids
    )
    assert len(chunks) == chunked.sizes[1] > 1
    np.testing.assert_allclose(
        chunked.average(states), [first, np.mean(chunks, axis=0), last], atol=1e-5
    )  # float32, in other batches
