"""Texts that are too long for a prompt: nothing of them is lost, and their states are means."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.vocabsem import bidirectional
from tests.vocabsem.architectures import save
from tests.vocabsem.made_tokenizers import byte_level, metaspace
from tests.vocabsem.prompts.test_chat import CHATML, LLAMA2, instruct
from vocabsem import extract, load_model
from vocabsem.families.templates import prompt_template
from vocabsem.prompts.chat import Chat
from vocabsem.prompts.chunking import ChunkedPrompts, encode_chunks, split_text
from vocabsem.prompts.prompting import Prompts, encode_prompts
from vocabsem.states.word_scores import score_words

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


SENTENCE = "the good film of this story was great and the bad plot is dull but moving this way it was a review"
VARIED = f"{SENTENCE} {' '.join(sorted(SENTENCE.split()))}"  # no two parts are alike
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=8)


@given(sizes=SIZES, seed=st.integers(0, 99), d=st.integers(1, 4))
def test_averages_and_counts_are_those_of_a_loop(sizes, seed, d):
    generator = np.random.default_rng(seed)
    states = generator.standard_normal((sum(sizes), d)).astype(np.float32)
    lost, lengths = generator.random(sum(sizes)) < 0.3, generator.integers(1, 9, sum(sizes))
    chunked = ChunkedPrompts(Prompts([[0] * n for n in lengths], lost, [""] * sum(sizes)), np.array(sizes))
    edges = np.cumsum([0, *sizes])
    rows = [slice(*edges[i : i + 2]) for i in range(len(sizes))]
    np.testing.assert_allclose(chunked.average(states), [states[r].astype(float).mean(0) for r in rows], atol=1e-6)
    assert chunked.average(states).dtype == np.float32
    assert chunked.truncated.tolist() == [any(lost[r]) for r in rows]
    assert chunked.tokens.tolist() == [sum(lengths[r]) for r in rows]


def test_states_of_single_prompts_keep_their_bits():
    states = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    assert ChunkedPrompts(Prompts([[0]] * 3, np.zeros(3, bool), [""] * 3), np.ones(3, int)).average(states) is states


BIDIRECTIONAL = {"masked": "bert", "encoder": "bert", "encoder_decoder": "t5"}


def as_transformers(tokenizer, family, text):
    """Token ids of one prompt, by the tokenizer's own call."""
    template = prompt_template("{text} sentiment :", family).replace("{mask}", "<mask>")
    return tokenizer(template.format(text=text))["input_ids"]


@pytest.mark.parametrize("family", BIDIRECTIONAL)
def test_chunks_of_every_family_are_whole_prompts_whose_states_are_averaged(tmp_path, family):
    card = bidirectional.save(BIDIRECTIONAL[family], tmp_path / "network", family=family)
    model = load_model(card, tmp_path / "cache", dtype="float32", device="cpu")
    template = prompt_template("{text} sentiment :", family)
    special = card.adds_special_tokens
    chunked = encode("bad", VARIED, template=template, tokenizer=model.tokenizer, special_tokens=special)
    size = int(chunked.sizes[1])
    assert size > 1
    pieces = ["bad", *split_text(VARIED, size)]
    assert chunked.prompts.token_ids == [as_transformers(model.tokenizer, family, piece) for piece in pieces]
    (states,) = extract(model, chunked.prompts.token_ids, ["last"], budget=60).values()
    alone = [
        extract(model, [as_transformers(model.tokenizer, family, piece)], ["last"])[model.layers][0].astype(float)
        for piece in pieces
    ]
    expected = np.stack([alone[0], np.mean(alone[1:], axis=0)])
    # float32, in other batches
    np.testing.assert_allclose(chunked.average(states), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    if family == "encoder":
        assert np.linalg.norm(chunked.average(states), axis=1)[1] < 1 - 1e-6, "the mean of cosines, not a cosine"


@pytest.mark.parametrize("make", [byte_level, metaspace])
@pytest.mark.parametrize(("template", "system"), [(CHATML, "be brief"), (CHATML, None), (LLAMA2, None)])
def test_each_chunk_is_a_chat_of_its_own(make, template, system):
    tokenizer = instruct(make, template)
    chunked = encode(VARIED, template="{text} type:", max_tokens=80, tokenizer=tokenizer, chat=Chat(system))
    pieces = split_text(VARIED, int(chunked.sizes[0]))
    assert len(pieces) > 1
    before = [{"role": "system", "content": system}] if system else []
    for piece, ids in zip(pieces, chunked.prompts.token_ids, strict=True):
        turn = [*before, {"role": "user", "content": f"{piece} type:"}]
        own = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        assert ids == tokenizer(own, add_special_tokens=False)["input_ids"]
        assert len(ids) <= 80


@given(words=st.lists(st.sampled_from(["</s>", "<|turn|>", "<s>", "good", "film"]), min_size=20, max_size=60))
@settings(max_examples=20)
def test_no_chunk_ends_its_turn(words):
    tokenizer = instruct(byte_level, CHATML)
    chunked = encode(" ".join(words), template="{text} type:", max_tokens=70, tokenizer=tokenizer, chat=Chat())
    bare = encode("a", template="{text} type:", max_tokens=70, tokenizer=tokenizer, chat=Chat()).prompts.token_ids[0]
    special = {*tokenizer.all_special_ids}
    for ids in chunked.prompts.token_ids:
        assert [token for token in ids if token in special] == [token for token in bare if token in special]


@given(text=WORDS.filter(str.strip), max_tokens=st.integers(20, 30))
@settings(max_examples=30)
def test_every_chunk_begins_with_the_first_token_which_counts(text, max_tokens):
    plain = encode(text.strip(), max_chunks=1000, max_tokens=max_tokens - 1)
    begun = encode(text.strip(), max_chunks=1000, max_tokens=max_tokens, prepend_bos=True)
    assert begun.prompts.token_ids == [[byte_level().bos_token_id, *ids] for ids in plain.prompts.token_ids]
    assert begun.sizes.tolist() == plain.sizes.tolist()


def test_the_word_scores_of_a_text_are_the_mean_of_those_of_its_prompts(tmp_path):
    model = load_model(save("llama", tmp_path / "network"), tmp_path / "cache", dtype="float32", device="cpu")
    words = [[7], [12, 5], [9, 20, 3]]
    chunked = encode("bad", VARIED, template="{text} sentiment :", tokenizer=model.tokenizer)
    together = chunked.average(score_words(model, chunked.prompts.token_ids, words).astype(np.float32))
    first, *rest = (score_words(model, [ids], words)[0] for ids in chunked.prompts.token_ids)
    assert len(rest) > 1
    np.testing.assert_allclose(together, [first, np.mean(rest, axis=0)], rtol=1e-4)  # float32
