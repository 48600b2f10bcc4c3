"""Documents, similarities, errors and corrections against what they must be."""

from collections import Counter

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vocabsem.errors import DataError
from vocabsem.instruments.embed_data import (
    corrections,
    perturbed,
    read_documents,
    read_similarities,
    shuffle_words,
    type_wrong,
)

TEXT = " ".join(f"word{letter}{letter}" for letter in "abcdefghijklmnopqrst")


def test_documents_are_lines_of_latin_1(tmp_path):
    path = tmp_path / "documents.cor"
    path.write_bytes("one\n\n two £3 \nthree\n".encode("latin-1"))
    assert read_documents(path) == ["one", "two £3", "three"]
    path.write_text("one\n")
    with pytest.raises(DataError, match=r"documents\.cor has 1 documents"):
        read_documents(path)


def test_similarities_are_those_above_the_diagonal(tmp_path):
    path = tmp_path / "similarities.txt"
    path.write_text("1\t0.3\t0.2\n0\t1\t0.5\n0\t0\t1\n")
    np.testing.assert_array_equal(read_similarities(path, 3), [[0, 0.3, 0.2], [0.3, 0, 0.5], [0.2, 0.5, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 0\n0 1\n", "not 3 lines of 3 numbers"), ("1 a 0\n", "could not convert"), ("1 nan 0\n" * 3, "not 3 lines")],
)
def test_other_similarities_are_refused(tmp_path, text, message):
    path = tmp_path / "similarities.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_similarities(path, 3)


@pytest.mark.parametrize("rate", [0.05, 0.3, 1.0])
def test_a_typo_swaps_two_neighboring_letters_of_as_many_words(rate):
    wrong = type_wrong(TEXT, rate, np.random.default_rng(0)).split()
    changed = [(old, new) for old, new in zip(TEXT.split(), wrong, strict=True) if old != new]
    assert len(changed) <= round(rate * 20)
    for old, new in changed:
        at = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
        assert len(at) == 2
        assert at[1] == at[0] + 1
        assert Counter(old) == Counter(new)
    assert rate < 1 or len(changed) > 10, "a swap of two letters that are the same is none"


def test_short_words_have_no_typos():
    assert type_wrong("a be the of", 1.0, np.random.default_rng(0)) == "a be the of"


@pytest.mark.parametrize("rate", [0.15, 1.0])
def test_shuffled_words_are_the_same_words(rate):
    shuffled = shuffle_words(TEXT, rate, np.random.default_rng(1)).split()
    assert Counter(shuffled) == Counter(TEXT.split())
    moved = sum(old != new for old, new in zip(TEXT.split(), shuffled, strict=True))
    assert 0 < moved <= round(rate * 20)


def test_errors_have_their_names_and_are_the_same_for_a_seed():
    made = perturbed([TEXT, TEXT], (0.05, 0.3), seed=2)
    assert list(made) == ["typos 5 %", "typos 30 %", "shuffled words 5 %", "shuffled words 30 %"]
    assert made == perturbed([TEXT, TEXT], (0.05, 0.3), seed=2)
    assert made != perturbed([TEXT, TEXT], (0.05, 0.3), seed=3)
    with pytest.raises(DataError, match=r"rates has 1\.5: give shares of the words, at most 1"):
        perturbed([TEXT], (0.1, 1.5), seed=0)


def test_corrections_take_out_mean_covariance_and_the_largest_axes():
    generator = np.random.default_rng(3)
    scales = np.array([20, 10, 5, 1, 1, 1, 1, 1])
    others, vectors = (scales * generator.standard_normal((n, 8)) + 7 for n in (5000, 300))
    corrected = corrections(vectors, others)
    np.testing.assert_allclose(corrected["centered"], vectors - others.mean(axis=0))
    np.testing.assert_allclose(np.cov(corrected["whitened"].T), np.eye(8), atol=0.35)  # 300 texts: about 1/√300 each
    axes = PCA(3).fit(others).components_
    np.testing.assert_allclose(corrected["all but the top"] @ axes.T, np.zeros((300, 3)), atol=0.5)
    assert corrected["all but the top"].std(axis=0)[:3].max() < 0.5
    first = corrections(vectors, others, removed_axes=1)["all but the top"]
    np.testing.assert_allclose(first @ axes[0], np.zeros(300), atol=0.5)
    assert (first @ axes[1]).std() > 5
