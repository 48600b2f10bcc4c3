"""Rows of CSV and of tab-separated text: exact, with line numbers in errors, the separator recognized by the header."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TextIO

from vocabsem.cards.reader_options import ReaderOptions

__all__ = ["csv_header", "csv_rows", "distinct"]

Rows = Callable[[], Iterator[list[str]]]


def csv_header(file: TextIO, seps: str, options: ReaderOptions, wanted: Iterable[str], longest: int) -> list[str]:
    """Return the names of the columns.

    Parameters
    ----------
    file : text file
        Opened with `newline=""`.
    seps : str
        Separators that may be, the likeliest first.
    options : ReaderOptions
        Separator and lines to skip.
    wanted : iterable of str
        Columns by which the separator is recognized.
    longest : int
        Most characters of a line and of a text.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        For two columns of one name.
    """
    return _table(file, seps, options, wanted, longest)[0]


def csv_rows(
    file: TextIO, seps: str, options: ReaderOptions, columns: Sequence[str], longest: int
) -> Iterator[list[str]]:
    """Yield the values of some columns, row by row; of a blank line between rows, empty ones.

    Before the first row and after the last, blank lines are none, unless the file has one column only.

    Parameters
    ----------
    file, seps, options
        As in `csv_header`.
    columns : sequence of str
        Which ones.
    longest
        As in `csv_header`.

    Yields
    ------
    list of str

    Raises
    ------
    ValueError
        For quotes that do not match and rows of another length than the header, with the line.
    """
    names, rows = _table(file, seps, options, columns, longest)
    numbers = [names.index(column) for column in columns]
    blank, waiting, begun = [""] * len(columns), 0, False
    for row in rows():
        if not row and len(names) > 1:
            waiting += 1  # a row if it stands between others
            continue
        for _ in range(waiting if begun else 0):
            yield blank
        waiting, begun = 0, True
        yield [row[i] for i in numbers] if row else blank


def distinct(names: list[str]) -> list[str]:
    """Return the names of columns if no two are the same.

    Parameters
    ----------
    names : list of str
        Of a file.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        For two columns of one name.
    """
    if len(set(names)) < len(names):
        ((twice, _),) = Counter(names).most_common(1)
        raise ValueError(f"it has two columns named {twice[:100]!r}: rename one")
    return names


class _Lines:
    """The lines of a text, counted from 1, without those that are skipped; none is endless."""

    def __init__(self, file: TextIO, skipped: int | Sequence[int], longest: int) -> None:
        self.readline, self.longest, self.number = file.readline, longest, 0
        self.skipped = range(skipped) if isinstance(skipped, int) else frozenset(skipped)

    def __iter__(self) -> Iterator[str]:
        while line := self.readline(self.longest + 1):
            self.number += 1
            if len(line) > self.longest:
                raise ValueError(f"line {self.number} has more than {self.longest:,} characters: split it")
            if self.number - 1 not in self.skipped:
                yield line


def _table(
    file: TextIO, seps: str, options: ReaderOptions, wanted: Iterable[str], longest: int
) -> tuple[list[str], Rows]:
    """Return the header, and what yields each row after it; one of a blank line has no fields."""
    csv.field_size_limit(longest)
    lines = _Lines(file, options.skiprows, longest)
    rest = iter(lines)
    first = next(rest, "")
    seps = options.sep or seps
    if sep_line := re.fullmatch(r"sep=([^\"\r\n])[\r\n]*", first, re.IGNORECASE):  # as Excel writes
        seps, first = options.sep or sep_line[1], next(rest, "")
    headers = {sep: next(csv.reader([first], delimiter=sep), []) for sep in seps}
    fits = (sep for sep, header in headers.items() if set(wanted) <= set(header))
    sep = next(fits, max(seps, key=lambda sep: len(headers[sep])))
    names = distinct(headers[sep])

    def rows() -> Iterator[list[str]]:
        reader = csv.reader(rest, delimiter=sep, strict=True)
        while True:
            start = lines.number + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise ValueError(
                    f"the quotes of the row that begins in line {start} do not match ({error} in line {lines.number}):"
                    " close each quote, and write a quote inside a quoted text twice"
                ) from None
            if row is None:
                return
            if row and len(row) != len(names):
                much = "more" if len(row) > len(names) else "fewer"
                raise ValueError(
                    f"line {start} has {much} fields than its header, {', '.join(map(repr, names))[:200]}: name all,"
                    f" fill in what is missing, and quote texts with {sep!r}"
                )
            yield row

    return names, rows
