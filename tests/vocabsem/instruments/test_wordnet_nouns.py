"""Categories of nouns: the file of the package, which of them are kept, and the script that chose them."""

import numpy as np
import pytest

from scripts import wordnet_nouns as script
from vocabsem.errors import DataError
from vocabsem.instruments.wordnet_nouns import FILE, categories_of, wordnet_nouns


def test_every_noun_has_one_of_the_files_and_familiar_ones_have_the_right_one():
    nouns = wordnet_nouns()
    assert set(nouns.values()) <= set(script.FILES)
    assert len(nouns) > 2000
    known = {"cat": "animal", "bread": "food", "teacher": "person", "bottle": "artifact", "century": "time"}
    assert {noun: nouns[noun] for noun in known} == known
    assert all(noun.isalpha() and noun.islower() for noun in nouns)


def test_the_license_comes_with_the_nouns():
    comment = " ".join(line.lstrip("# ") for line in FILE.read_text().splitlines() if line.startswith("#"))
    assert "WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved." in comment
    assert "provided that you agree to comply with the following copyright notice" in comment


def test_categories_of_enough_known_nouns_are_kept():
    by_category = {}
    for noun, category in wordnet_nouns().items():
        by_category.setdefault(category, []).append(noun)
    known = [*by_category["animal"][:12], *by_category["food"][:9], *by_category["plant"][:10], "unheard"]
    words, labels, names = categories_of(known, 10)
    assert sorted(words) == sorted([*by_category["animal"][:12], *by_category["plant"][:10]])
    assert sorted(names) == ["animal", "plant"]
    assert [names[label] for label in labels] == [wordnet_nouns()[word] for word in words]
    assert np.bincount(labels).tolist() == [12, 10]


def test_a_vocabulary_of_other_words_is_refused():
    with pytest.raises(DataError, match="0 categories of WordNet have 10 nouns that are single tokens of the model"):
        categories_of({"x"}, 10)


LINES = """\
cat%1:05:00:: 1 18
cat%1:18:01:: 2 2
cat%2:29:00:: 1 0
run%2:38:00:: 1 100
run%1:04:00:: 1 4
entity%1:03:00:: 1 11
dog%1:05:00:: 1 2
light%1:19:00:: 1 10
light%3:00:00:: 1 5
Paris%1:15:00:: 1 9
ice_cream%1:13:00:: 1 9
oak%1:20:00:: 1 3
"""


def test_the_script_takes_nouns_that_are_nearly_always_of_one_file():
    nouns = {name: words for name, words in script.chosen(LINES.splitlines()).items() if words}
    assert nouns == {"animal": ["cat"], "plant": ["oak"]}


def test_the_file_is_as_the_script_writes_it():
    nouns = {name: [] for name in script.FILES}
    for noun, category in wordnet_nouns().items():
        nouns[category].append(noun)
    assert FILE.read_text() == script.LICENSE + "\n".join(script.written(nouns)) + "\n"
    assert max(map(len, FILE.read_text().splitlines())) <= 120
