"""Variants of a data set: other templates and label words, of one card, under a name that states."""

import pytest
import yaml

from tests.vocabsem.cards.test_schema import DATASETS, GOOD
from vocabsem.cards.loader import load_card
from vocabsem.errors import CardError
from vocabsem.prompts.prompting import field_names, validate_template

VARIED = GOOD | {
    "templates": {"bare": "{text} :", "line": "text: {text} mood:"},
    "words": {"plain": ["no", "yes"]},
}


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        path = tmp_path / "toy.yaml"
        path.write_text(yaml.safe_dump(VARIED | changes, sort_keys=False))
        return str(path)

    return write


def test_a_template_by_name(write):
    path = write()
    card, bare = load_card("datasets", path), load_card("datasets", f"{path}@bare")
    assert (bare.name, bare.template) == ("toy@bare", "{text} :")
    assert bare.label_words == card.label_words
    assert bare.content() == card.content(), "the same examples are read"


def test_label_words_by_name(write):
    path = write()
    card, plain = load_card("datasets", path), load_card("datasets", f"{path}@words-plain")
    assert (plain.name, plain.label_words, plain.template) == ("toy@words-plain", ["no", "yes"], card.template)
    assert [(label.name, label.values) for label in plain.labels] == [(x.name, x.values) for x in card.labels]


def test_label_words_of_several_tokens_say_what_stands_for_them(write):
    path = write(
        words={"plain": ["no", "yes"], "phrases": {"words": ["not at all", "of course"], "word_tokens": "mean"}}
    )
    card = load_card("datasets", path)
    tokens = [load_card("datasets", f"{path}@words-{name}").word_tokens for name in card.words]
    assert (card.word_tokens, *tokens) == ("single", "single", "mean")
    assert load_card("datasets", f"{path}@words-phrases").label_words == ["not at all", "of course"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"words": ["one"], "word_tokens": "mean"}, "words.plain has 1 words for 2 labels"),
        ({"words": ["no", "no"], "word_tokens": "mean"}, "label word of words.plain"),
        ({"words": ["no", "yes"], "word_tokens": "last"}, "words.plain.word_tokens: Input should be 'single', 'first'"),
        ({"words": ["no", "yes"]}, "missing key 'word_tokens' in words.plain$"),
        ({"words": ["no", 7], "word_tokens": "mean"}, r"words.plain.words\[1\]: Input should be a valid string"),
        (["no", 7], r"words.plain\[1\]: Input should be a valid string"),
    ],
)
def test_label_words_that_cannot_be_used_are_refused(write, words, message):
    with pytest.raises(CardError, match=message):
        load_card("datasets", write(words={"plain": words}))


def test_the_shipped_phrases_can_be_diagnosed():
    card = load_card("datasets", "reuters_r8@words-phrases")
    assert (card.word_tokens, card.label_words[1]) == ("mean", "mergers and acquisitions")


def test_one_of_each_kind_in_either_order(write):
    path = write()
    for name in ("toy@bare@words-plain", "toy@words-plain@bare"):
        card = load_card("datasets", path.replace("toy.yaml", "toy.yaml" + name[3:]))
        assert (card.name, card.template, card.label_words) == (name, "{text} :", ["no", "yes"])


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ("@bear", "dataset 'toy' has no variant 'bear': its card has 'bare', 'line', 'words-plain'"),
        ("@plain", "no variant 'plain'"),
        ("@words-bare", "no variant 'words-bare'"),
        ("@", "no variant ''"),
        ("@bare@line", "dataset 'toy@bare' has no variant 'line': its card has 'words-plain'"),
        ("@words-plain@words-plain", "no variant 'words-plain'"),
    ],
)
def test_a_variant_that_is_not_there(write, requested, message):
    with pytest.raises(CardError) as caught:
        load_card("datasets", write() + requested)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"templates": {"bare": "{text} :", "wrong": "{texts} :"}}, "the template 'wrong' names 'texts'"),
        ({"templates": {"bare": "{text}: "}}, "templates.bare: ends in white space"),
        ({"templates": {"bare": "{text!r}:"}}, "templates.bare: is not a template|has the field"),
        ({"templates": {"words-x": "{text}:"}}, "templates.words-x"),
        ({"words": {"plain": ["yes"]}}, "words.plain has 1 words for 2 labels"),
        ({"words": {"plain": ["yes", "yes"]}}, "label word of words.plain 'yes' is given to two labels"),
        ({"words": {"a/b": ["no", "yes"]}}, "words.a/b"),
    ],
)
def test_variants_are_checked_with_the_card(write, changes, message):
    with pytest.raises(CardError, match=message):
        load_card("datasets", write(**changes))


def test_variants_change_nothing_of_what_a_card_reads(write):
    plain = {key: value for key, value in VARIED.items() if key not in ("templates", "words")}
    varied = load_card("datasets", write()).content()
    path = write(templates={}, words={})
    assert load_card("datasets", path).content() == varied
    assert plain.keys() == GOOD.keys()


def test_models_have_no_variants():
    with pytest.raises(CardError, match="unknown model 'gpt2@bare'"):
        load_card("models", "gpt2@bare")


def test_a_local_copy_keeps_the_variant(tmp_path):
    folder = tmp_path / "trec"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text('{"sentence": "a", "label": "0"}\n')
    card = load_card("datasets", "trec@bare@words-plain").located(tmp_path)
    assert card.files["train"].startswith("file:")
    assert (card.name, card.template) == ("trec@bare@words-plain", "{text} :")
    assert card.label_words == load_card("datasets", "trec").words["plain"]


VARIED_SETS = ["rotten_tomatoes", "bbc_news", "reuters_r8", "mr", "sst5", "subj", "trec", "agnews"]


def test_the_sets_of_the_paper_and_of_the_quickstart_have_variants():
    varied = {name for name in DATASETS if load_card("datasets", name).templates}
    assert varied == set(VARIED_SETS)
    for name in varied:
        card = load_card("datasets", name)
        assert len({card.template, *card.templates.values()}) == 1 + len(card.templates) >= 3
        assert len(card.words) >= 2


def test_fields_of_a_template():
    assert field_names("a {one} b {two} {one}") == {"one", "two"}
    assert validate_template("a {one}:") == "a {one}:"
    for wrong in ("{", "{0}", "{a.b}", "{a:>3}", "{a} "):
        with pytest.raises(ValueError, match=r"template|field|white space"):
            validate_template(wrong)
