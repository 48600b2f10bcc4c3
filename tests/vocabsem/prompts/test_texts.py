"""What people see of a text: labels that look or count the same, and texts that show nothing."""

import pytest

from vocabsem.prompts.texts import folded, is_empty


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sport", "sport"),
        ("STRASSE", "straße"),
        ("caf\u00e9", "cafe\u0301"),
        ("ﬁne", "fine"),
        ("neg", " neg\t"),
        ("a b", "a\u00a0 b"),
        ("neg", "n\u200beg"),
        ("1", "1.0"),
        ("-3", "-3.00"),
    ],
)
def test_labels_that_look_or_count_the_same_have_one_form(one, other):
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("1", "1.5"), ("1", "10"), ("a b", "ab"), ("e", "é"), ("v1", "v1.0")])
def test_other_labels_have_another(one, other):
    assert folded(one) != folded(other)


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "\u00a0\ufeff", "\u2800", "\u3164", "\x00"])
def test_a_text_that_shows_nothing_is_empty(text):
    assert is_empty(text)
    assert not is_empty(text + "a")
