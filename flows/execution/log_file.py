"""A log of each command that runs flows, in the home: what they and their tasks log, with the time."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.home import Home

MAX_LOGS = 100  # newest logs


@contextmanager
def log_file(home: Home, command: str) -> Iterator[Path]:
    """Write what Prefect's loggers get during the block to a new file of the home, and yield its path."""
    folder = home.root / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = _new(folder, time.strftime("%Y%m%dT%H%M%S"), command)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logger = logging.getLogger("prefect")
    logger.addHandler(handler)
    try:
        yield path
    finally:
        logger.removeHandler(handler)
        handler.close()
        for old in sorted(folder.glob("*T*-*.log"))[:-MAX_LOGS]:
            old.unlink(missing_ok=True)


def _new(folder: Path, begun: str, command: str) -> Path:
    """Create the file, which another command of the same second does not have."""
    number = 0
    while True:
        path = folder / f"{begun}-{command}{f'-{number}' if number else ''}.log"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path
