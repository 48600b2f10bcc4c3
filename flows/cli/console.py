"""Print to the terminal: its width, and tables that are whole at any width."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

MAX_COLUMNS = 10_000  # columns of no terminal


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    head: str
    cells: Sequence[str | Text]
    number: bool = True


def console(width: int = 120) -> Console:
    """Return a console as wide as COLUMNS or the terminal; where there is neither, of `width` columns.

    Text is printed as it is: `[red]` is no style, `:smile:` no picture.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal or os.environ.get("COLUMNS", "").isdecimal():
        return console
    return Console(highlight=False, markup=False, emoji=False, width=width)


def table(title: str, columns: Sequence[Column], styles: Sequence[str] = ()) -> Table:
    """Return a table that breaks no cell. styles: of its rows."""
    result = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    for column in columns:
        result.add_column(column.head, justify="right" if column.number else "left", no_wrap=True)
    for index, row in enumerate(zip(*(column.cells for column in columns), strict=True)):
        result.add_row(*row, style=styles[index] if styles else "")
    return result


def width_of(table: Table) -> int:
    """Return the columns that a table takes where nothing is cut."""
    return Console(width=MAX_COLUMNS).measure(table).maximum


def stack(
    title: str, keys: Sequence[Column], columns: Sequence[Column], width: int, styles: Sequence[str] = ()
) -> list[Table]:
    """Return one table where `width` is enough, else several: each has the keys and as many columns as fit, one at
    least."""
    tables, shown = [], list(columns[:1])
    for column in columns[1:]:
        if width_of(table(title, [*keys, *shown, column], styles)) > width:
            tables.append(table(title, [*keys, *shown], styles))
            title, shown = "", []
        shown.append(column)
    return [*tables, table(title, [*keys, *shown], styles)]


def print_grid(
    out: Console, title: str, heads: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """Print a table with columns of text, then columns of numbers, stacked where the terminal is narrow."""
    cells = list(zip(*rows, strict=True)) or [()] * (len(heads) + len(numbers))
    columns = [
        Column(head, each, i >= len(heads))
        for i, (head, each) in enumerate(zip([*heads, *numbers], cells, strict=True))
    ]
    for each in stack(title, columns[: len(heads)], columns[len(heads) :], out.width):
        out.print(each)
        out.print()
