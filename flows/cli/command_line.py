"""A command line of `vocabsem` to an exit code: options of every command, errors; other modules define the commands."""

import errno
import os
import shlex
from collections.abc import Iterator

import typer

from flows.cli import (  # noqa: F401  # each adds its commands
    datasets,
    experiments,
    exports,
    init_model,
    listing,
    models,
    project,
    services,
    studies,
    submissions,
    warehouse,
)
from flows.cli.app import app
from flows.execution.activity import QUIET, line
from flows.services.environment import set_environment
from vocabsem.cards.folders import card_folders, set_card_folders
from vocabsem.errors import BadInput, VocabsemError, shorten
from vocabsem.runtime.third_party import VERBOSE
from warehouse.errors import WarehouseError

INTERRUPTED = 130  # typer's code for KeyboardInterrupt
NAME_ERRORS = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR}  # of a path that no file can have
WRITE_ERRORS = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT}


def run(words: list[str]) -> int:
    """Run a command. Returns the exit code, errors printed; raises KeyboardInterrupt after a signal."""
    words = list(words)
    debug = _take_flag(words, "--debug")
    if _take_flag(words, "--verbose", "-v") or debug:
        os.environ[VERBOSE] = "1"
    else:  # tasks and flows still log to the Prefect API
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    if _take_flag(words, "--quiet", "-q"):
        os.environ[QUIET] = "1"
    try:
        given_home = next(_take("--home", words), None)
        home = set_environment(given_home)
        if folders := list(_take("--cards", words)):
            set_card_folders(folders)
        card_folders()
        if home.root.exists() and not home.root.is_dir():
            raise BadInput(f"the home {home.root} is not a folder: choose one with --home or VOCABSEM_HOME")
        line.what = shlex.join(["vocabsem", *words[:1]])
        code = app(words, standalone_mode=False, obj=given_home)
    except typer.TyperException as error:
        error.message = _harmless(error.message)
        error.show()  # type: ignore[attr-defined]  # typer's errors of usage have it
        return 2
    except (VocabsemError, WarehouseError) as error:
        if debug:
            raise
        typer.echo(f"error: {_harmless(str(error))}", err=True)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        typer.echo(f"error: {_harmless(describe(error))}", err=True)
        return 2 if isinstance(error, OSError) and error.errno in NAME_ERRORS else 1
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _harmless(message: str) -> str:
    """Return a message without control characters, and with the start of what it quotes."""
    from warehouse.printable import printable

    return printable(shorten(message), keep="\n")


def describe(error: Exception) -> str:
    """Describe an unexpected error; one of the file system with its fix."""
    if isinstance(error, OSError) and error.errno in WRITE_ERRORS:
        where = f"{error.filename}: " if error.filename else ""
        fix = "fix its permissions, free disk space, or choose another home with --home or VOCABSEM_HOME"
        return f"{where}{error.strerror}: {fix}"
    if isinstance(error, OSError) and error.errno in NAME_ERRORS:
        return f"{error.filename!r}: {error.strerror}: give another path"
    return f"{type(error).__name__}: {error}\n(--debug prints the traceback)"


def _take_flag(words: list[str], *names: str) -> bool:
    """Remove a flag from anywhere before `--` and return whether it was there."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word not in names]
    present = len(kept) < end
    words[:end] = kept
    return present


def _take(option: str, words: list[str]) -> Iterator[str]:
    """Remove `--option DIR` from anywhere in the words and yield each DIR. Raises BadInput where one is missing."""
    while (index := next((i for i, word in enumerate(words) if word.partition("=")[0] == option), None)) is not None:
        _, equals, folder = words.pop(index).partition("=")
        if not equals and index < len(words):
            folder = words.pop(index)
        if not folder:
            raise BadInput(f"{option} needs a folder: write {option} DIR")
        yield folder
