"""The command line, `vocabsem`: the outermost room. Its commands are in `flows/commands/`."""

import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import typer

from flows.commands import app, datasets, experiments, models, servers, warehouse  # noqa: F401  # each adds its commands
from flows.environment import prepare
from vocabsem.errors import VocabsemError
from warehouse.errors import WarehouseError

INTERRUPTED = 130  # what typer makes of Ctrl-C


def main(*prefix: str) -> NoReturn:
    """The console script. `prefix` is the command for `python -m flows.<name>`."""
    words = [*prefix, *sys.argv[1:]]
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not debug:  # tasks and flows still log to the Prefect API
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    try:
        prepare(_take_home(words))
        code = app(words, standalone_mode=False)
        if code == INTERRUPTED:
            typer.echo("stopped: the same command goes on from here", err=True)
    except typer.TyperException as error:
        error.show()
        code = 2
    except (VocabsemError, WarehouseError) as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        code = error.exit_code
    except Exception as error:
        if debug:
            raise
        typer.echo(f"error: {type(error).__name__}: {error}\n(--debug shows where)", err=True)
        code = 1
    _leave(code if isinstance(code, int) else 0)


def _leave(code: int) -> NoReturn:
    """End the process. After a flow, without taking the interpreter apart: Prefect's idle threads hold frames with
    objects of DuckDB, whose bindings would report them on the terminal as leaks. All that was queued is sent by then.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if "prefect" in sys.modules:
        logging.shutdown()
        os._exit(code)
    sys.exit(code)


def _take_home(words: list[str]) -> Path | None:
    """Remove `--home DIR` from the words, wherever it stands."""
    for index, word in enumerate(words):
        if word == "--home" and index + 1 < len(words):
            home = words[index + 1]
            del words[index : index + 2]
            return Path(home)
        if word.startswith("--home="):
            return Path(words.pop(index).removeprefix("--home="))
    return None


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "120")
    main()
