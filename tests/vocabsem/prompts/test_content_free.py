"""Content-free inputs and random words of the domain."""

from collections import Counter

from vocabsem.prompts.content_free import CONTENT_FREE, content_free, domain_words

EXAMPLES = [{"title": "one two", "text": "a b c d"}, {"title": "three", "text": "a a"}]


def test_content_free_inputs_fill_every_field_alike():
    assert content_free(["title", "text"]) == [{"title": text, "text": text} for text in CONTENT_FREE]


def test_domain_texts_are_words_of_the_field_as_long_as_its_texts():
    made = domain_words(EXAMPLES, seed=0)
    assert len(made) == 20
    assert domain_words(EXAMPLES, seed=0, n_texts=1)[0]["title"] == made[0]["title"]
    for fields in made:
        assert list(fields) == ["title", "text"]
        assert len(fields["title"].split()) == 2  # 1.5 words on average, to the even
        assert len(fields["text"].split()) == 3
        assert set(fields["title"].split()) <= {"one", "two", "three"}
        assert set(fields["text"].split()) <= set("abcd")
    counts = Counter(word for fields in domain_words(EXAMPLES * 50, seed=1) for word in fields["text"].split())
    assert counts["a"] == max(counts.values()), "half of all words are a"


def test_a_seed_always_makes_the_same():
    assert domain_words(EXAMPLES, seed=3) == domain_words(EXAMPLES, seed=3) != domain_words(EXAMPLES, seed=4)
