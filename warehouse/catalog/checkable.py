"""A statement in a form that DuckDB's parser gives as a tree, with all that the statement reads and calls.

Two read-only forms have no tree: EXPLAIN, and a PIVOT whose columns are the values in the data, which DuckDB runs as
several statements. Checked in their place are what is explained, and the same PIVOT with a list of values.
"""

import re
from collections.abc import Iterator

import duckdb

_EXPLAIN = re.compile(
    rb"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*explain(?:\s+analyze)?(?:\s*\((?:\s*(?:analyze|format\s+\w+)\s*,?)+\))?(?=[\s(])",
    re.IGNORECASE | re.DOTALL,
)
_PIVOT = {b"pivot", b"pivot_wider"}
_AFTER = {b"using", b"group", b"order", b"limit", b";"}  # what may follow the columns of a PIVOT
_VALUES = b" in (null)"

Token = tuple[bytes, int, int]
"""In lower case, its end, and how many parentheses it is in."""


def checkable(sql: str) -> str:
    """Return the statement without its EXPLAIN, and with values for each PIVOT that names none.

    What stands in it stays; values are all that is added.
    """
    body = _EXPLAIN.sub(b"", sql.encode(), count=1) if _EXPLAIN.match(sql.encode()) else sql.encode()
    ends = sorted(_without_values(list(_tokens(body))))
    for end in reversed(ends):
        body = body[:end] + _VALUES + body[end:]
    return body.decode()


def _tokens(body: bytes) -> Iterator[Token]:
    tokens, depth = duckdb.tokenize(body.decode()), 0
    starts = [start for start, _ in tokens]
    for (start, kind), stop in zip(tokens, [*starts[1:], len(body)], strict=True):
        text = body[start:stop].rstrip()
        if kind == duckdb.token_type.comment:
            continue
        depth -= text == b")"
        yield text.lower(), start + len(text), depth
        depth += text == b"("


def _without_values(tokens: list[Token]) -> Iterator[int]:
    """Yield where the columns of a PIVOT end that have no list of values."""
    for index, (word, _, depth) in enumerate(tokens):
        if word not in _PIVOT:
            continue
        inside, last, listed = False, 0, False
        for text, end, at in tokens[index + 1 :]:
            over = at < depth or (at == depth and text in _AFTER)
            if inside and (over or (at == depth and text == b",")):
                if not listed:
                    yield last
                listed = False
            if over:
                inside = False
                break
            inside = inside or (at == depth and text == b"on")
            listed = listed or (inside and at == depth and text == b"in")
            last = end
        if inside and not listed:
            yield last
