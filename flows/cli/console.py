"""Print to the terminal: its width, and tables of text and numbers."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table


def console(width: int = 120) -> Console:
    """Return a console as wide as the terminal; where there is none, wide enough for a row of the leaderboard.

    Text is printed as it is: `[red]` is no style, `:smile:` no picture.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=width)


def grid(title: str, heads: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table with columns of text, then columns of numbers."""
    columns = [Column(head, no_wrap=True) for head in heads]
    columns += [Column(head, justify="right", no_wrap=True) for head in numbers]
    table = Table(*columns, title=title or None, title_justify="left", box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    return table
