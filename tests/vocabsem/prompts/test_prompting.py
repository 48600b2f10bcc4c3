import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vocabsem.made_tokenizers import byte_level, metaspace, word_level
from vocabsem.cards.folders import list_cards
from vocabsem.cards.loader import load_card
from vocabsem.errors import CardError, DataError, LabelWordError
from vocabsem.prompts.label_tokens import label_tokens
from vocabsem.prompts.prompting import encode_prompts

REVIEW = 'review: "{text}"\nsentiment:'
PAIR = "Premise: {premise}\nHypothesis: {hypothesis}\nPrediction:"
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=120)


def encode(template, *rows, tokenizer=None, max_tokens=64, prepend_bos=False):
    return encode_prompts(tokenizer or byte_level(), template, rows, max_tokens=max_tokens, prepend_bos=prepend_bos)


# Prompts


def test_a_prompt_is_the_template_with_the_text_in_it():
    prompts = encode(REVIEW, {"text": "a great film"}, {"text": "dull {story} 100 %"})
    assert prompts.texts == ['review: "a great film"\nsentiment:', 'review: "dull {story} 100 %"\nsentiment:']
    assert [byte_level().decode(ids) for ids in prompts.token_ids] == prompts.texts
    assert prompts.truncated.tolist() == [False, False]


@pytest.mark.parametrize("make", [byte_level, metaspace])
def test_the_beginning_token_comes_exactly_once_and_only_when_requested(make):
    tokenizer = make()
    rows = [{"text": "a good film"}, {"text": "the film " * 40}]
    without = encode(REVIEW, *rows, tokenizer=tokenizer)
    with_bos = encode(REVIEW, *rows, tokenizer=tokenizer, prepend_bos=True)
    assert all(tokenizer.bos_token_id not in ids for ids in without.token_ids)
    for ids in with_bos.token_ids:
        assert ids[0] == tokenizer.bos_token_id
        assert ids.count(tokenizer.bos_token_id) == 1
    assert with_bos.token_ids[0][1:] == without.token_ids[0]


def test_a_tokenizer_that_adds_its_own_beginning_does_not_double_it():
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    raw = byte_level().backend_tokenizer.from_str(byte_level().backend_tokenizer.to_str())
    raw.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    eager = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    assert eager("good")["input_ids"][0] == 1
    row = {"text": "a good film"}
    assert encode(REVIEW, row, tokenizer=eager, prepend_bos=True).token_ids == (
        encode(REVIEW, row, prepend_bos=True).token_ids
    )
    assert encode(REVIEW, row, tokenizer=eager).token_ids == encode(REVIEW, row).token_ids


def test_special_tokens_spelled_in_a_text_are_text():
    tokenizer = byte_level()
    prompts = encode(REVIEW, {"text": "</s> and <s> again"}, prepend_bos=True)
    assert prompts.token_ids[0].count(tokenizer.bos_token_id) == 1
    assert tokenizer.eos_token_id not in prompts.token_ids[0]
    chat = encode("<s>user {text}</s>:", {"text": "good"})
    assert chat.token_ids[0][0] == tokenizer.bos_token_id
    assert tokenizer.eos_token_id in chat.token_ids[0]


def test_no_beginning_token_to_prepend():
    with pytest.raises(CardError, match="no beginning-of-sequence token: set 'prepend_bos: false'"):
        encode("{text} :", {"text": "good"}, tokenizer=word_level(), prepend_bos=True)


def test_no_rows_no_prompts():
    prompts = encode(REVIEW)
    assert (prompts.token_ids, prompts.texts, prompts.truncated.shape) == ([], [], (0,))


# Shortening


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(16, 40), st.booleans(), st.sampled_from([byte_level, metaspace]))
def test_a_long_text_loses_its_end_and_nothing_else(text, limit, bos, make):
    tokenizer = make()
    bare = len(tokenizer('review: ""\nsentiment:', add_special_tokens=False)["input_ids"])
    limit = max(limit, bare + 3)
    prompts = encode(REVIEW, {"text": text}, tokenizer=tokenizer, max_tokens=limit, prepend_bos=bos)
    (ids,), (prompt,) = prompts.token_ids, prompts.texts
    whole = tokenizer(REVIEW.format(text=text), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert len(ids) <= limit
    assert prompts.truncated[0] == (len(whole) + bos > limit)
    assert prompt.startswith('review: "')
    assert prompt.endswith('"\nsentiment:')
    kept = prompt.removeprefix('review: "').removesuffix('"\nsentiment:')
    assert text.startswith(kept)
    assert kept == text or prompts.truncated[0]
    assert ids[bos:] == tokenizer(prompt, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def test_no_more_is_cut_than_needed():
    """Words of one token each: the kept prompt fills the limit to the last token."""
    text = "a good film " * 60
    for limit in range(12, 40):
        prompts = encode(REVIEW, {"text": text.strip()}, max_tokens=limit)
        assert len(prompts.token_ids[0]) == limit, limit


def test_only_prompts_over_the_limit_are_touched():
    short, long = {"text": "good"}, {"text": "the film " * 50}
    prompts = encode(REVIEW, short, long, short, max_tokens=30)
    assert prompts.truncated.tolist() == [False, True, False]
    assert prompts.token_ids[0] == prompts.token_ids[2] == encode(REVIEW, short).token_ids[0]
    assert prompts.truncated.dtype == np.bool_


def test_of_two_fields_the_longer_gives():
    short, long = "a good film", "the plot " * 40
    for row in ({"premise": short, "hypothesis": long}, {"premise": long, "hypothesis": short}):
        (text,) = encode(PAIR, row, max_tokens=60).texts
        assert short in text
        assert long.strip() not in text


def test_two_long_fields_end_alike():
    row = {"premise": "good " * 90, "hypothesis": "bad " * 120}
    (text,) = encode(PAIR, row, max_tokens=80).texts
    assert abs(text.count("good") - text.count("bad")) <= 1
    assert text.count("good") > 15


def test_a_character_of_several_bytes_is_kept_whole_or_not_at_all():
    text = "😀é漢" * 40
    for limit in range(20, 60):
        (prompt,) = encode(REVIEW, {"text": text}, max_tokens=limit).texts
        assert "\N{REPLACEMENT CHARACTER}" not in prompt
        assert text.startswith(prompt[len('review: "') : -len('"\nsentiment:')])


def test_a_template_over_the_limit_is_refused():
    with pytest.raises(
        DataError, match="alone is 10 tokens, which leaves no space for text in 8: shorten the template"
    ):
        encode("the film review text sentiment type good bad great{text} :", {"text": "a"}, max_tokens=8)


# Label words


def test_single_words_are_their_token_with_the_leading_space():
    tokens = label_tokens(byte_level(), ["negative", "positive"], dataset="mr")
    assert [byte_level().decode(ids) for ids in tokens] == [" negative", " positive"]
    assert all(len(ids) == 1 for ids in tokens)


@pytest.mark.parametrize("make", [byte_level, metaspace, word_level])
@pytest.mark.parametrize("word", ["good", "bad", "great", "positive"])
def test_a_label_token_is_what_would_follow_the_prompt(make, word):
    tokenizer = make()
    prompt = "type:"
    before, after = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, f"{prompt} {word}"))
    assert label_tokens(tokenizer, [word], dataset="x") == [after[len(before) :]]


def test_all_collisions_are_listed():
    with pytest.raises(LabelWordError) as caught:
        label_tokens(word_level(), ["good", "bad", "good", "bad", "great"], dataset="sst5")
    ids = word_level().convert_tokens_to_ids(["good", "bad"])
    assert str(caught.value).splitlines() == [
        f"label words {w!r} and {w!r} of dataset 'sst5' share the token {w!r} (id {i}): "
        "choose others in data/datasets/sst5.yaml"
        for w, i in zip(["good", "bad"], ids, strict=True)
    ]


def test_a_word_of_several_tokens_wants_a_strategy():
    with pytest.raises(
        LabelWordError, match=r"'not good' of dataset 'mrpc' is \d tokens, .*' good' \(id \d+\)"
    ) as caught:
        label_tokens(byte_level(), ["good", "not good"], dataset="mrpc")
    assert "set 'word_tokens' there to 'first' or 'mean'" in str(caught.value)


def test_first_takes_the_first_token_and_mean_takes_all():
    words = ["good film", "bad film"]
    first = label_tokens(byte_level(), words, strategy="first", dataset="x")
    every = label_tokens(byte_level(), words, strategy="mean", dataset="x")
    assert [byte_level().decode(ids) for ids in first] == [" good", " bad"]
    assert [byte_level().decode(ids) for ids in every] == [" good film", " bad film"]


def test_first_tokens_must_differ_where_the_means_may():
    words = ["good film", "good story"]
    with pytest.raises(LabelWordError, match="'good film' and 'good story' of dataset 'x' share the token ' good'"):
        label_tokens(byte_level(), words, strategy="first", dataset="x")
    assert len(label_tokens(byte_level(), words, strategy="mean", dataset="x")) == 2
    with pytest.raises(LabelWordError, match=r"share the tokens ' good' .*, ' film'"):
        label_tokens(byte_level(), ["good film"] * 2, strategy="mean", dataset="x")


def test_a_lone_space_token_stands_for_no_word():
    tokenizer = metaspace()
    space, fine, odd = tokenizer.convert_tokens_to_ids(["▁", "fine", "odd"])
    assert tokenizer(" fine", add_special_tokens=False)["input_ids"] == [space, fine]
    with pytest.raises(LabelWordError, match="'fine' of dataset 'x' is 2 tokens"):
        label_tokens(tokenizer, ["fine", "odd"], dataset="x")
    for strategy in ("first", "mean"):
        assert label_tokens(tokenizer, ["fine", "odd"], strategy=strategy, dataset="x") == [[fine], [odd]]


@pytest.mark.parametrize("strategy", ["single", "first", "mean"])
def test_an_unknown_word_is_refused(strategy):
    with pytest.raises(LabelWordError, match="'splendid' of dataset 'x' is unknown to the tokenizer: choose others in"):
        label_tokens(word_level(), ["good", "splendid"], strategy=strategy, dataset="x")


def test_the_shipped_cards_suit_the_default_model(cache):
    """The real tokenizer, where an earlier run has fetched it."""
    from vocabsem.models.checkpoints import load_tokenizer
    from vocabsem.sources.fetching import cached

    card = load_card("models", "smollm2-135m-instruct")
    if cached(card.source, cache) is None:
        pytest.skip("the model was not fetched yet: a test of the whole pipeline does")
    tokenizer = load_tokenizer(card, cache)
    for name in list_cards("datasets"):
        dataset = load_card("datasets", name)
        tokens = label_tokens(tokenizer, dataset.label_words, strategy=dataset.word_tokens, dataset=name)
        assert len({ids[0] for ids in tokens}) == dataset.classes
