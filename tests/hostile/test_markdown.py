"""Texts of cards and rows in Markdown show as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.tracking.markdown import cells, escape, inline_markdown, pipes
from warehouse.printable import printable

pytestmark = pytest.mark.medium


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain words, a_b-c 0.85 [0.80, 0.90] +0.1 (x)", "plain words, a_b-c 0.85 [0.80, 0.90] +0.1 (x)"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[x](javascript:alert(1))", r"[x\](javascript:alert(1))"),
        ("![x](https://example.com/a.png)", r"![x\](https://example.com/a.png)"),
        ("[x]: y", r"[x\]: y"),
        ("# x\n\n- y", r"\# x - y"),
        ("1. x", r"1\. x"),
        ("a|b", r"a\|b"),
        ("**x** _y_ `z` ~~w~~", r"\*\*x\*\* \_y\_ \`z\` \~\~w\~\~"),
        ("&lt;b&gt; & c", r"\&lt;b\&gt; & c"),
        ("\\", r"\\"),
    ],
)
def test_escape(text, escaped):
    assert escape(text) == escaped


def test_a_cell_keeps_its_marks_and_stays_one_cell():
    assert inline_markdown("`a|b<c>` **0.9** <i>") == r"`a\|b<c>` **0.9** &lt;i&gt;"
    assert pipes(["a|b"], [["x\n| y"]]) == [r"| a\|b |", "| --- |", r"| x \| y |"]


def test_cells_of_a_table_keep_their_numbers():
    assert cells([{"a": "[x](y)", "n": 1, "none": None}]) == [{"a": r"[x\](y)", "n": 1, "none": None}]


@given(st.text(max_size=200))
def test_no_text_starts_a_tag_a_line_or_a_link(text):
    for escaped in (escape(text), "".join(inline_markdown(text).split("`")[::2])):
        assert not set("<>\n\r") & set(escaped)
        assert "](" not in escaped.replace(r"\](", "")


@given(st.text(max_size=200))
def test_what_is_printed_is_harmless_to_a_terminal(text):
    assert printable(text).isprintable()
