"""Reading with transformers: one error for whatever it raises, and no output of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vocabsem.errors import BadInput, SourceError
from vocabsem.runtime.third_party import verbose

__all__ = ["as_source_errors"]


@contextmanager
def as_source_errors(folder: Path) -> Iterator[None]:
    """Raise one error for whatever transformers raises; no bars, no warnings, unless the user asks for them.

    Parameters
    ----------
    folder : Path
        That is read, for the message.

    Raises
    ------
    SourceError
        With the first line of the error. Errors of this package pass unchanged.

    Examples
    --------
    >>> with as_source_errors(Path("mine")):
    ...     raise KeyError("weight")
    Traceback (most recent call last):
    vocabsem.errors.SourceError: transformers cannot read the model in mine: 'weight'
    """
    from transformers.utils import logging

    bar, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    if not verbose():
        logging.disable_progress_bar()
        logging.set_verbosity_error()
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # struct.error, SafetensorError, validation errors: no common root short of this one
        reason = next(iter(str(error).strip().splitlines()), "")[:200] or type(error).__name__
        raise SourceError(f"transformers cannot read the model in {folder}: {reason}") from error
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
