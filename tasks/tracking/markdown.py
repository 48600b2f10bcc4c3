"""Text as Markdown that shows it as it is: no link, picture, heading, cell or tag comes from a card or a row."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SPECIAL = re.compile(r"[\\`*~|]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|&(?=#?\w+;)")
_BLOCK = re.compile(r"^(\d*)([.)+=#-]+)(?=\s|$)")  # a heading, a list or a rule
_MARKS = re.compile(r"(`[^`]*`|\*\*)")


def escape(text: str) -> str:
    """Return text as one line of Markdown that shows it as it is."""
    return _BLOCK.sub(r"\1\\\2", _escape(text))


def inline_markdown(text: str) -> str:
    """Return text with its names in backticks as code and `**` as bold; all else is escaped."""
    parts = _MARKS.split(text)
    parts[::2] = map(_escape, parts[::2])
    parts[1::2] = [part.replace("|", r"\|") for part in parts[1::2]]
    return "".join(parts)


def cells(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table whose cells are read as Markdown, as Prefect's are, with their texts escaped."""
    return [{name: escape(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows]


def pipes(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; cells may hold the marks of `inline_markdown`."""
    lines = [f"| {' | '.join(map(inline_markdown, row))} |" for row in (heads, *rows)]
    return [lines[0], f"| {' | '.join(['---'] * len(heads))} |", *lines[1:]]


def _escape(text: str) -> str:
    text = _SPECIAL.sub(lambda match: "\\" + match[0], re.sub(r"\s+", " ", text))
    return text.replace("<", "&lt;").replace(">", "&gt;")
