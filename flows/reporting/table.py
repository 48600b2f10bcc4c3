"""Describe a table once and render it as Markdown and as HTML."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from tasks.tracking import markdown

INTERVAL = re.compile(r"\[[^\]]*\]|\([^)]*\)")
NAME, BEST = re.compile(r"`([^`]*)`"), re.compile(r"\*\*(.+?)\*\*")
BREAKS = re.compile(r"(?<=[_+])")  # where a long name may wrap


@dataclass(frozen=True)
class ReportTable:
    """A row's first cell is its head. A cell is text, with `**` around the best and a backtick around names."""

    title: str
    note: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> list[str]:
        """Return the lines of a section: title, note, table."""
        pipes = markdown.pipes(self.heads, self.rows)
        return ["", f"### {markdown.escape(self.title)}", "", markdown.inline_markdown(self.note), "", *pipes]

    def html(self) -> Markup:
        """Return the table in a box that scrolls on narrow screens, its title for screen readers; text is escaped."""
        kinds = [Markup(' class="text"') if _is_text(column) else "" for column in zip(*self.rows, strict=True)]
        heads = _join('<th scope="col"{}>{}</th>', kinds, map(inline_html, self.heads))
        line = Markup('<tr><th scope="row">{}</th>{}</tr>')
        rows = [
            line.format(inline_html(head), _join("<td{}>{}</td>", kinds[1:], map(_cell, row)))
            for head, *row in self.rows
        ]
        return Markup(
            '<div class="scroll" tabindex="0" role="region" aria-label="{0}"><table>'
            '<caption class="hidden">{0}</caption>'
            "<thead><tr>{1}</tr></thead>\n<tbody>\n{2}\n</tbody></table></div>"
        ).format(self.title, heads, Markup("\n").join(rows))


def inline_html(text: str) -> Markup:
    """Return text as HTML, with its names as code and the best in bold."""
    html = NAME.sub(lambda match: f"<code>{BREAKS.sub(r'<wbr>', match[1])}</code>", str(escape(text)))
    return Markup(BEST.sub(r"<strong>\1</strong>", html))  # noqa: S704  # escaped above


def _cell(text: str) -> Markup:
    """Return text as HTML; text in brackets, such as an interval, is small."""
    return Markup(INTERVAL.sub(lambda match: f"<small>{match.group()}</small>", inline_html(text)))  # noqa: S704


def _is_text(column: Sequence[str]) -> bool:
    return all(cell[:1].isalpha() or cell[:1] in ("", "`") for cell in column)


def _join(pattern: str, kinds: Sequence[str], cells: Iterable[Markup]) -> Markup:
    return Markup("").join(map(Markup(pattern).format, kinds, cells))  # noqa: S704
