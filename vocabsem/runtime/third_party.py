"""Keep the logs of libraries off the terminal, unless the user requests them."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["VERBOSE", "muted", "verbose"]

VERBOSE = "VOCABSEM_VERBOSE"  # set by `vocabsem --verbose`


def verbose() -> bool:
    """Return whether the user wants to see what libraries print."""
    return bool(os.environ.get(VERBOSE))


@contextmanager
def muted(*names: str) -> Iterator[None]:
    """Let loggers pass only warnings and errors during the block, or everything where the user requests it.

    Parameters
    ----------
    *names : str
        Of the loggers.

    Yields
    ------
    None
    """
    loggers = [] if verbose() else [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
