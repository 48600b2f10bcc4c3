"""Run the command line: `vocabsem …` or `python -m vocabsem …`.

This module and `vocabsem.flows` are how the pipeline is entered from outside. They import it by name when it is used:
the method does not depend on it.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

from vocabsem.installation import put_root_on_path

__all__ = ["main"]

_PIPELINE = ("typer", "prefect", "mlflow", "duckdb")


def main() -> NoReturn:
    """Run the console script and end the process with its exit code, 2 where the pipeline is not installed."""
    missing = [name for name in _PIPELINE if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"error: the command line needs {', '.join(missing)}, which the library alone does not:"
            " pip install 'vocabsem[pipeline]'\n"
        )
        sys.exit(2)
    put_root_on_path()
    import_module("flows.cli.main").main()
    raise AssertionError("the command line ends the process")


if __name__ == "__main__":
    main()
