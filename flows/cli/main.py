"""The entry point of the command line `vocabsem`: it listens to signals before it imports what takes a second."""

import logging
import os
import sys
from typing import NoReturn

from flows.cli import interruption
from flows.cli.streams import drop, keep_streams
from flows.execution.activity import line


def main() -> NoReturn:
    """Run the console script and end the process with its exit code, after a signal 128 + its number."""
    keep_streams()
    if not {"-q", "--quiet"} & set(sys.argv):
        line.start("starting")
    interruption.listen()
    try:
        from flows.cli.command_line import run

        code = run(sys.argv[1:])
        interruption.ignore()
    except KeyboardInterrupt:
        interruption.ignore()
        sys.stderr.write(f"{interruption.MESSAGE}\n")
        code = interruption.exit_code()
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process. After a flow, without taking the interpreter apart: Prefect's idle threads hold frames with
    objects of DuckDB, whose bindings would report them on the terminal as leaks. All that was queued is sent by then.
    """
    line.stop()
    try:
        sys.stdout.flush()
    except OSError as error:  # output goes to a disk that is full
        from flows.cli.command_line import describe

        if not code:
            sys.stderr.write(f"error: {describe(error)}\n")
        code = code or 1
        drop(sys.stdout.fileno())
    sys.stderr.flush()
    if "prefect" in sys.modules:
        logging.shutdown()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "120")
    main()
