"""One description of a table, two renderings of it: Markdown and HTML."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

INTERVAL = re.compile(r"\[[^\]]*\]|\([^)]*\)")
NAME, BEST = re.compile(r"`([^`]*)`"), re.compile(r"\*\*(.+?)\*\*")
BREAKS = re.compile(r"(?<=[_+])")  # where a long name may go on in the next line


@dataclass(frozen=True)
class Table:
    """A row's first cell is its head. A cell is text, with `**` around the best and a backtick around names."""

    title: str
    note: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> list[str]:
        return ["", f"### {self.title}", "", self.note, "", *pipes(self.heads, self.rows)]

    def html(self) -> Markup:
        """In a box that scrolls where the screen is narrow; text is escaped. A heading above it shows the title."""
        kinds = [Markup(' class="text"') if _is_text(column) else "" for column in zip(*self.rows, strict=True)]
        heads = _join('<th scope="col"{}>{}</th>', kinds, map(inline, self.heads))
        line = Markup('<tr><th scope="row">{}</th>{}</tr>')
        rows = [
            line.format(inline(head), _join("<td{}>{}</td>", kinds[1:], map(_cell, row))) for head, *row in self.rows
        ]
        return Markup(
            '<div class="scroll" tabindex="0" role="region" aria-label="{0}"><table>'
            '<caption class="hidden">{0}</caption>'
            "<thead><tr>{1}</tr></thead>\n<tbody>\n{2}\n</tbody></table></div>"
        ).format(self.title, heads, Markup("\n").join(rows))


def pipes(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]


def inline(text: str) -> Markup:
    """Text as HTML, with its names and its best."""
    found = NAME.sub(lambda name: f"<code>{BREAKS.sub(r'<wbr>', name[1])}</code>", str(escape(text)))
    return Markup(BEST.sub(r"<strong>\1</strong>", found))  # noqa: S704  # escaped above


def _cell(text: str) -> Markup:
    """What stands in brackets, such as an interval, is set small."""
    return Markup(INTERVAL.sub(lambda found: f"<small>{found.group()}</small>", inline(text)))  # noqa: S704


def _is_text(column: Sequence[str]) -> bool:
    return all(cell[:1].isalpha() or cell[:1] in ("", "`") for cell in column)


def _join(pattern: str, kinds: Sequence[str], cells: Iterable[Markup]) -> Markup:
    return Markup("").join(map(Markup(pattern).format, kinds, cells))  # noqa: S704
