"""Objects of JSON, one at a time: an array of them, or one a line."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO

__all__ = ["json_rows"]

CHUNK = 1 << 16  # characters read of an array at a time
BLANK = " \t\r\n\ufeff"
Row = dict[str, Any]


def json_rows(file: TextIO, longest: int) -> Iterator[Row]:
    """Yield the objects of a file.

    Parameters
    ----------
    file : text file
        An array of objects if it begins with a bracket, otherwise an object a line.
    longest : int
        Most characters of an object.

    Yields
    ------
    dict

    Raises
    ------
    ValueError
        For what is none, with its line or number.
    """
    first = file.readline(CHUNK)
    if first.lstrip(BLANK).startswith("["):
        yield from _array(file, first.lstrip(BLANK)[1:], longest)
        return
    number, line = 1, first if first.endswith("\n") else first + file.readline(longest + 1)
    while line:
        if len(line) > longest:
            raise ValueError(f"line {number} has more than {longest:,} characters: split it")
        if line.strip(BLANK):
            yield _checked(_decoded(line, f"line {number}"), f"line {number}")
        number, line = number + 1, file.readline(longest + 1)


def _array(file: TextIO, text: str, longest: int) -> Iterator[Row]:
    at, number, more = 0, 0, True

    def skip() -> str:
        """Return the next character that is not white space, or none at the end."""
        nonlocal text, at
        while True:
            while at < len(text) and text[at] in BLANK:
                at += 1
            if at < len(text):
                return text[at]
            text, at = file.read(CHUNK), 0
            if not text:
                return ""

    while (mark := skip()) != "]":
        if number and mark != ",":
            raise ValueError(f"object {number - 1} is followed by {mark!r}, not by a comma or a bracket")
        at += bool(number)
        skip()
        while True:
            try:
                row, end = DECODER.raw_decode(text, at)
                break
            except (ValueError, RecursionError) as error:
                chunk = file.read(max(CHUNK, len(text) - at)) if more else ""
                more = bool(chunk)
                text, at = text[at:] + chunk, 0
                if len(text) > longest + CHUNK:
                    raise ValueError(f"object {number} has more than {longest:,} characters: split it") from None
                if not more:
                    raise ValueError(f"object {number}: {error}") from None
        at = end
        yield _checked(row, f"object {number}")
        number += 1
    at += 1
    if skip():
        raise ValueError(f"the array is followed by {text[at : at + 20]!r}")


def _decoded(line: str, where: str) -> Any:
    try:
        return DECODER.decode(line.strip(BLANK))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: {error}") from None


def _checked(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise ValueError(f"{where} is {str(row)[:60]!r}, not an object with a text and a label")
    return row


def _unique(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"two values are named {twice[:100]!r}: rename one")
    return row


class _Spelled(float):
    """A number whose text is that of the file: 1.10 is a name of a class, and 1e400 is not infinite."""

    def __new__(cls, text: str) -> "_Spelled":
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __str__(self) -> str:
        return self.text


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_Spelled, parse_constant=lambda _: None)
