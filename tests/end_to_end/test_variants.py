"""The shipped variants of data sets against the shipped model's own tokenizer."""

import pytest

from vocabsem.cards.folders import list_cards
from vocabsem.cards.loader import load_card
from vocabsem.models.checkpoints import load_tokenizer
from vocabsem.prompts.content_free import content_free
from vocabsem.prompts.label_tokens import label_tokens
from vocabsem.prompts.prompting import encode_prompts, encode_texts

pytestmark = pytest.mark.medium

CARDS = [card for card in (load_card("datasets", name) for name in list_cards("datasets")) if card.templates]


@pytest.fixture(scope="module")
def tokenizer(cache):
    return load_tokenizer(load_card("models", "smollm2-135m-instruct"), cache)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_label_words_of_every_set_are_distinct_and_single_tokens_but_for_phrases(tokenizer, card):
    for name in card.words:
        words = card.variant(f"words-{name}").label_words
        if name == "phrases":  # for methods that score them whole
            assert len({*map(tuple, encode_texts(tokenizer, [f" {word}" for word in words], True))}) == card.classes
            continue
        tokens = label_tokens(tokenizer, words, dataset=card.name)  # raises where they are not
        assert len({token for (token,) in tokens}) == card.classes
        assert [tokenizer.decode(ids) for ids in tokens] == [f" {word}" for word in words]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_template_leaves_a_prompt_without_a_text(tokenizer, card):
    """One of the content-free inputs is empty, and the model must be shown a token at least."""
    for name in card.templates:
        template = card.variant(name).template
        prompts = encode_prompts(tokenizer, template, content_free(["text"]), max_tokens=48, prepend_bos=False)
        assert all(prompts.token_ids)
