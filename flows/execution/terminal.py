"""The terminal's standard error: notes and progress, unless the user wants results and errors only."""

import os

from rich.console import Console

from flows.execution.activity import QUIET


def error_console() -> Console:
    """Return a console of standard error that prints text as it is, and nothing where VOCABSEM_QUIET is set."""
    quiet = bool(os.environ.get(QUIET))
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=quiet)
