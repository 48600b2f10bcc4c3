"""Proposed label words: against all assignments tried one by one, on anchors whose answer is known."""

from itertools import permutations

import numpy as np
import pytest

from vocabsem.vocabulary.label_proposals import propose_words

REAL = ["good", "bad", "film", "story", "music"]
PIECES = ["th", "Re", "pre", "ok", "Ok", "NASA", "Sam"]  # too short, or not in both spellings
WORDS = {word: row for row, word in enumerate([*REAL, *map(str.capitalize, REAL), *PIECES])}


def space(width=24, seed=0):
    """Anchors (V, d), one direction a token, with an offset that all share."""
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((width, width)))[0][: len(WORDS)]
    return (basis + 3.0).astype(np.float32)


def means_at(anchors, words, noise=0.0):
    """Class means (C, d) in the directions of words, far from the origin like real states."""
    rng = np.random.default_rng(1)
    rows = anchors[[WORDS[word] for word in words]]
    return (5 * rows + 40 + noise * rng.standard_normal(rows.shape)).astype(np.float32)


@pytest.mark.parametrize("words", [["bad", "good"], ["music", "film", "story"], REAL])
def test_classes_get_the_words_they_point_to_whatever_is_common_to_all(words):
    anchors = space()
    names = [str(number) for number in range(len(words))]
    assert propose_words(names, means_at(anchors, words), anchors, WORDS) == words
    assert propose_words(names, 7 * means_at(anchors, words) - 100, anchors, WORDS) == words


@pytest.mark.parametrize("seed", range(5))
def test_the_assignment_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    anchors = rng.standard_normal((len(WORDS), 6)).astype(np.float32)
    means = rng.standard_normal((3, 6)).astype(np.float32)
    centered, away = means - means.mean(0), anchors - anchors.mean(0)

    def worth(words):
        rows = [WORDS[word] for word in words]
        return sum(
            float(h @ away[r] / np.linalg.norm(h) / np.linalg.norm(away[r]))
            for h, r in zip(centered, rows, strict=True)
        )

    result = propose_words(["a1", "a2", "a3"], means, anchors, WORDS)
    assert worth(result) == pytest.approx(max(worth(words) for words in permutations(REAL, 3)), abs=1e-5)


def test_short_tokens_are_proposed_where_they_may_be():
    anchors, names = space(), ["1", "2"]
    longest = max(map(len, REAL))
    assert propose_words(names, means_at(anchors, ["bad", "good"]), anchors, WORDS, min_letters=3) == ["bad", "good"]
    assert propose_words(names, means_at(anchors, ["bad", "good"]), anchors, WORDS, min_letters=longest + 1) == names


def test_two_classes_that_point_to_one_word_share_it_with_nobody():
    anchors = space()
    means = means_at(anchors, ["bad", "bad", "film"], noise=1e-3)
    result = propose_words(["1", "2", "3"], means, anchors, WORDS)
    assert len(set(result)) == 3
    assert result[2] == "film"
    assert "bad" in result[:2]


def test_a_name_that_is_a_word_stands_for_itself():
    anchors = space()
    means = means_at(anchors, ["good", "film", "story"])
    assert propose_words(["Bad", "MUSIC", "3"], means, anchors, WORDS) == ["Bad", "music", "story"]
    assert propose_words(["good", "story"], means[:2], anchors, WORDS) == ["good", "story"]


def test_a_word_that_names_a_class_is_proposed_to_no_other():
    anchors = space()
    result = propose_words(["1", "good"], means_at(anchors, ["good", "film"]), anchors, WORDS)
    assert result[1] == "good"
    assert result[0] != "good"


def test_pieces_of_words_are_never_proposed():
    anchors = space()
    names = [str(number) for number in range(len(REAL))]
    rows = [WORDS[piece] for piece in PIECES[: len(REAL)]]
    assert set(propose_words(names, anchors[rows], anchors, WORDS)) == set(REAL)


def test_function_words_are_proposed_to_no_class_and_stay_names():
    anchors = space()
    function = {"the": 0, "The": 5, "and": 1, "And": 6, "himself": 3, "Himself": 8}  # rows of good, bad and story
    words = {"film": 2, "Film": 7, "music": 4, "Music": 9} | function
    means = means_at(anchors, ["good", "bad"])
    assert set(propose_words(["1", "2"], means, anchors, words)) == {"film", "music"}
    assert propose_words(["the", "and"], means, anchors, words) == ["the", "and"]


def test_classes_beyond_the_words_stand_by_their_names_of_any_length():
    anchors, names = space(), ["Bad", "story ", "3", "light music", "short film", "opera house"]
    expected = ["Bad", "story", "3", "light music", "short film", "opera house"]
    assert propose_words(names, np.eye(6, 24, dtype=np.float32), anchors, {"Bad": 1, "good": 0, "Good": 5}) == expected
