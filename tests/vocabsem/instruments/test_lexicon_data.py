"""Files of judgments: read whole, refused with line and fix, kept where their words are tokens."""

import csv

import numpy as np
import pytest

from vocabsem.errors import DataError
from vocabsem.instruments.lexicon_data import (
    Judgments,
    read_analogies,
    read_pairs,
    read_ratings,
    read_valence,
    select_words,
)


def file(folder, text):
    path = folder / "data.txt"
    path.write_text(text)
    return path


def test_pairs_analogies_ratings_and_valence_are_read(tmp_path):
    assert read_pairs(file(tmp_path, "# a comment\nold\tnew\t1.58\n\nbig\tlarge\t9\n")) == [
        ("old", "new", 1.58),
        ("big", "large", 9.0),
    ]
    assert read_analogies(file(tmp_path, ": capitals\nAthens Greece Rome Italy\n")) == [
        ("Athens", "Greece", "Rome", "Italy")
    ]
    ratings = "Word,Seen,Heard\nday,1.5,2\nnight,,3\n"
    assert read_ratings(file(tmp_path, ratings), ["Seen", "Heard"]) == {"day": (1.5, 2.0)}
    assert read_valence(file(tmp_path, "#:\t-1\t0.5\t[]\n:)\t2.0\t1\t[]\ngood\t1.9\t0.9\t[2]\n")) == {"good": (1.9,)}


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_pairs, "one\ttwo\t3\none two 3\n", r"data.txt:2: expected two words and a number, separated by tabs"),
        (read_pairs, "one\ttwo\t3\none\ttwo\tnan\n", r"data.txt:2: expected two words and a number"),
        (read_valence, "good\tinf\n", r"data.txt:1: expected a word and its valence"),
        (lambda path: read_ratings(path, ["Seen"]), "Word,Seen\na,1\nb,nan\n", r"data.txt:3: .*nan is not finite"),
        (read_analogies, ": g\na b c\n", r"data.txt:2: expected four words"),
        (read_valence, "good 1.9\n", r"data.txt:1: expected a word and its valence"),
        (lambda path: read_ratings(path, ["Seen"]), "Word,seen\na,1\n", r"data.txt has no column 'Seen'"),
        (lambda path: read_ratings(path, ["Seen"]), "Word,Seen\na,high\n", r"data.txt:2: expected numbers in Seen"),
    ],
)
def test_another_file_is_refused_with_its_line(read, text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(file(tmp_path, text))


def test_a_field_beyond_the_limit_of_csv_is_refused_with_its_line(tmp_path):
    before = csv.field_size_limit(131_072)  # which other libraries raise
    try:
        with pytest.raises(DataError, match=r"data.txt:1: .*field larger"):
            read_ratings(file(tmp_path, f"Word,Seen\n{'a' * 200_000},1\n"), ["Seen"])
    finally:
        csv.field_size_limit(before)


READERS = [read_pairs, read_analogies, read_valence, lambda path: read_ratings(path, ["Seen"])]


@pytest.mark.parametrize("read", READERS)
def test_text_that_is_not_utf_8_is_refused_with_its_byte(read, tmp_path):
    path = tmp_path / "data.txt"
    path.write_bytes("café,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"data.txt: byte 3 is not UTF-8: give the file that the card names"):
        read(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    assert read_ratings(file(tmp_path, "\ufeffWord,Seen\r\nday,2\r\n"), ["Seen"]) == {"day": (2.0,)}
    assert read_pairs(file(tmp_path, "\ufeffold\tnew\t1\n")) == [("old", "new", 1.0)]


def made_judgments(n=12):
    words = [f"w{i}" for i in range(n)]
    pairs = [(words[i], words[(i + 1) % n], float(i)) for i in range(n)]
    analogies = [tuple(words[(i + k) % n] for k in range(4)) for i in range(n)]
    return Judgments({"made": pairs}, analogies, {"warm": {word: (float(i),) for i, word in enumerate(words)}}, {})


def test_judgments_of_words_that_are_no_tokens_are_left_out():
    judgments = made_judgments(16)
    tokens = {word: 100 + i for i, word in enumerate(judgments.words) if word != "w3"}
    lexicon = select_words(judgments, tokens, most=11, most_analogies=10, seed=0)
    assert "w3" not in lexicon.words
    pairs, human = lexicon.pairs["made"]
    assert len(pairs) == 14
    assert [(lexicon.words[a], lexicon.words[b], h) for (a, b), h in zip(pairs, human, strict=True)] == [
        row for row in judgments.pairs["made"] if "w3" not in row
    ]
    assert lexicon.analogies.shape == (10, 4)
    words, ratings = lexicon.ratings["warm"]
    assert [judgments.ratings["warm"][lexicon.words[i]] for i in words] == [tuple(row) for row in ratings]
    assert len(words) == 11
    expected = [-np.log(1 + tokens[word]) for word in lexicon.words]
    np.testing.assert_allclose(lexicon.log_frequency, expected)


def test_draws_are_those_of_the_seed():
    judgments, tokens = made_judgments(40), {f"w{i}": i for i in range(40)}
    one, same, other = (select_words(judgments, tokens, 12, 12, seed) for seed in (0, 0, 1))
    assert one.words == same.words
    assert one.words != other.words or (one.analogies != other.analogies).any()


def test_too_few_are_refused():
    with pytest.raises(DataError, match="made: 3 judgments whose words are single tokens of the model, and 5 are"):
        select_words(made_judgments(), {f"w{i}": i for i in range(4)}, 10, 10, 0)


def test_fewer_judgments_than_folds_are_refused():
    judgments, tokens = made_judgments(), {f"w{i}": i for i in range(12)}
    assert len(select_words(judgments, tokens, 9, 20, 0, fewest=9).ratings["warm"][0]) == 9
    with pytest.raises(DataError, match="warm: 9 judgments whose words are single tokens of the model, and 10 are"):
        select_words(judgments, tokens, 9, 20, 0, fewest=10)
