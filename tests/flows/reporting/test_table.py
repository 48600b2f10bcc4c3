"""One table as Markdown and as HTML."""

from flows.reporting.table import ReportTable, inline_html

TABLE = ReportTable("Scores & more", "By shots.", ["", "method", "4"], [["mr", "`a_b+c`", "**0.85** [0.80, 0.90]"]])


def test_markdown():
    assert TABLE.markdown() == [
        "", "### Scores & more", "", "By shots.", "",
        "|  | method | 4 |", "| --- | --- | --- |", "| mr | `a_b+c` | **0.85** [0.80, 0.90] |",
    ]  # fmt: skip


def test_html_has_a_caption_scopes_text_to_the_left_and_small_intervals():
    page = TABLE.html()
    assert '<caption class="hidden">Scores &amp; more</caption>' in page
    assert '<th scope="col" class="text">method</th><th scope="col">4</th>' in page
    assert '<th scope="row">mr</th><td class="text"><code>a_<wbr>b+<wbr>c</code></td>' in page
    assert "<td><strong>0.85</strong> <small>[0.80, 0.90]</small></td>" in page


def test_marks_cannot_bring_tags_with_them():
    assert inline_html("`<b>` **<i>** & [<u>]") == "<code>&lt;b&gt;</code> <strong>&lt;i&gt;</strong> &amp; [&lt;u&gt;]"
    hostile = ReportTable("<s>", "", ["<s>"], [["<s>"]]).html()
    assert "<s>" not in hostile
