"""Run the command line `vocabsem`: entry point, exit codes, errors. The other modules here define its commands."""

import errno
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import typer

from flows.cli import datasets, experiments, models, services, warehouse  # noqa: F401  # each adds its commands
from flows.cli.app import app
from flows.cli.streams import drop, keep_streams
from flows.services.environment import set_environment
from vocabsem.errors import BadInput, VocabsemError, shorten
from warehouse.errors import WarehouseError

INTERRUPTED = 130  # typer's code for Ctrl-C
NAME_ERRORS = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR}  # of a path that no file can have
WRITE_ERRORS = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT}


def main() -> NoReturn:
    """Run the console script and end the process with its exit code."""
    keep_streams()
    words = sys.argv[1:]
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not debug:  # tasks and flows still log to the Prefect API
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    try:
        home = set_environment(_take_home(words))
        if home.root.exists() and not home.root.is_dir():
            raise BadInput(f"the home {home.root} is not a folder: choose one with --home or VOCABSEM_HOME")
        code = app(words, standalone_mode=False)
        if code == INTERRUPTED:
            typer.echo("interrupted: run the same command to resume", err=True)
    except typer.TyperException as error:
        error.message = _harmless(error.message)
        error.show()  # type: ignore[attr-defined]  # typer's errors of usage have it
        code = 2
    except (VocabsemError, WarehouseError) as error:
        if debug:
            raise
        typer.echo(f"error: {_harmless(str(error))}", err=True)
        code = error.exit_code
    except Exception as error:
        if debug:
            raise
        typer.echo(f"error: {_harmless(_describe(error))}", err=True)
        code = 2 if isinstance(error, OSError) and error.errno in NAME_ERRORS else 1
    _leave(code if isinstance(code, int) else 0)


def _harmless(message: str) -> str:
    """Return a message without control characters, and with the start of what it quotes."""
    from warehouse.catalog.export import printable

    return printable(shorten(message), keep="\n")


def _leave(code: int) -> NoReturn:
    """End the process. After a flow, without taking the interpreter apart: Prefect's idle threads hold frames with
    objects of DuckDB, whose bindings would report them on the terminal as leaks. All that was queued is sent by then.
    """
    try:
        sys.stdout.flush()
    except OSError as error:  # output goes to a disk that is full
        if not code:
            typer.echo(f"error: {_describe(error)}", err=True)
        code = code or 1
        drop(sys.stdout.fileno())
    sys.stderr.flush()
    if "prefect" in sys.modules:
        logging.shutdown()
        os._exit(code)
    sys.exit(code)


def _describe(error: Exception) -> str:
    """Describe an unexpected error; one of the file system with its fix."""
    if isinstance(error, OSError) and error.errno in WRITE_ERRORS:
        where = f"{error.filename}: " if error.filename else ""
        fix = "fix its permissions, free disk space, or choose another home with --home or VOCABSEM_HOME"
        return f"{where}{error.strerror}: {fix}"
    if isinstance(error, OSError) and error.errno in NAME_ERRORS:
        return f"{error.filename!r}: {error.strerror}: give another path"
    return f"{type(error).__name__}: {error}\n(--debug prints the traceback)"


def _take_home(words: list[str]) -> Path | None:
    """Remove `--home DIR` from anywhere in the words and return it. Raises BadInput where the folder is missing."""
    for index, word in enumerate(words):
        if word == "--home" or word.startswith("--home="):
            name, equals, home = words.pop(index).partition("=")
            if not equals and index < len(words):
                home = words.pop(index)
            if not home:
                raise BadInput(f"{name} needs a folder: write --home DIR")
            return Path(home)
    return None


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "120")
    main()
