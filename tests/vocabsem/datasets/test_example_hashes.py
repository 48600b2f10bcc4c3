"""Hashes of examples, against the text that the page states, hashed by hand."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from vocabsem.datasets.example_hashes import example_hash, split_hash


def test_it_is_the_hash_of_the_stated_text():
    text = '{"fields":{"a":"good – \\"film\\"","b":"x"},"label":"pos"}'
    assert example_hash({"b": "x", "a": 'good – "film"'}, "pos") == sha256(text.encode()).hexdigest()[:16]
    assert split_hash(["bb", "aa"]) == sha256(b"aa\nbb\n").hexdigest()[:16]


FIELDS = st.dictionaries(st.text(), st.text(), max_size=3)


@given(FIELDS, st.text(), FIELDS, st.text())
def test_equal_hashes_are_of_equal_examples(fields, label, others, other):
    assert (example_hash(fields, label) == example_hash(others, other)) == ((fields, label) == (others, other))


@given(st.lists(st.text("0123456789abcdef", min_size=16, max_size=16), min_size=1), st.randoms())
def test_order_plays_no_part_but_how_often_does(hashes, random):
    assert split_hash(random.sample(hashes, len(hashes))) == split_hash(hashes)
    assert split_hash([*hashes, hashes[0]]) != split_hash(hashes)
