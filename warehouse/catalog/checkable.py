"""A statement in a form that DuckDB's parser gives as a tree, with all that the statement reads and calls.

Two read-only forms have no tree: EXPLAIN, and a PIVOT whose columns are the values in the data, which DuckDB runs as
several statements. Checked in their place are what is explained, and the same PIVOT with a list of values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, takewhile

import duckdb

_OPTIONS = {b"(", b")", b",", b"analyze", b"format", b"text", b"json", b"html", b"yaml", b"graphviz"}  # of EXPLAIN
_PIVOT = {b"pivot", b"pivot_wider"}
_AFTER = {b"using", b"group", b"order", b"limit", b";"}  # what may follow the columns of a PIVOT


@dataclass(frozen=True)
class Token:
    text: bytes
    """In lower case."""
    start: int
    end: int
    depth: int
    """How many parentheses it is in."""


def checkable(sql: str) -> str:
    """Return the statement without its EXPLAIN, and with values for each PIVOT that names none.

    The text is kept; only values, and parentheses around their expressions, are added.
    """
    body = sql.encode()
    tokens = _tokens(body)
    queried = _without_explain(tokens)
    for start, end in sorted(_without_values(queried), reverse=True):
        body = b"".join([body[:start], b"(", body[start:end], b") in (null)", body[end:]])
    return body[queried[0].start if len(queried) < len(tokens) and queried else 0 :].decode()


def _tokens(body: bytes) -> list[Token]:
    """Return the tokens of a statement as DuckDB reads it, comments aside."""
    kinds, depth, tokens = duckdb.tokenize(body.decode()), 0, []
    ends = [start for start, _ in kinds[1:]] + [len(body)]
    for (start, kind), stop in zip(kinds, ends, strict=False):
        text = body[start:stop].rstrip().lower()
        if kind != duckdb.token_type.comment:
            depth -= text == b")"
            tokens.append(Token(text, start, start + len(text), depth))
            depth += text == b"("
    return tokens


def _without_explain(tokens: list[Token]) -> list[Token]:
    """Return the tokens of what is explained, or all of them."""
    if not tokens or tokens[0].text != b"explain":
        return tokens
    rest = tokens[1:]
    if rest and rest[0].text == b"analyze":
        return rest[1:]
    if rest and rest[0].text == b"(":
        options = list(takewhile(lambda token: token.text in _OPTIONS and token.text != b")", rest))
        if rest[len(options) : len(options) + 1] and rest[len(options)].text == b")" and len(options) > 1:
            return rest[len(options) + 1 :]
    return rest


def _within(depth: int, token: Token) -> bool:
    return token.depth >= depth


def _without_values(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each column of a PIVOT that has no list of values."""
    for index, pivot in enumerate(tokens):
        if pivot.text in _PIVOT:
            rest = list(takewhile(partial(_within, pivot.depth), tokens[index + 1 :]))
            level = [n for n, token in enumerate(rest) if token.depth == pivot.depth]
            on = next((n for n in level if rest[n].text == b"on"), len(rest))
            stop = next((n for n in level if n > on and rest[n].text in _AFTER), len(rest))
            commas = [n for n in level if on < n < stop and rest[n].text == b","]
            for first, last in pairwise([on, *commas, stop]):
                column = rest[first + 1 : last]
                if column and not any(token.text == b"in" and token.depth == pivot.depth for token in column):
                    yield column[0].start, column[-1].end
