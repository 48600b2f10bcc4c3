"""Errors of the method, as one tree.

VocabsemError                  exit code 1
├── BadInput                   exit code 2: what the user gave cannot be used
│   ├── CardError              a card: unknown key, wrong value, missing file
│   ├── SourceError            a source: malformed, absent, other bytes than its card declares
│   ├── LabelWordError         label words that collide or split into several tokens
│   └── DataError              rows: empty text, one class, more shots than examples; a ValueError, as scikit-learn's
└── ComputationFailed          exit code 1: the input was good, the work was not done
    ├── DownloadFailed         a registry or a hub did not answer or refused
    │   └── DownloadInterrupted    it answered and then broke off: worth another try
    ├── GuardFailed            head(state) differs from the model's own logits
    └── TrainingFailed         a calibrator's loss or states became infinite

Every message names the value, where it was read, and the fix. Of a long value it holds the start.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BadInput",
    "CardError",
    "ComputationFailed",
    "DataError",
    "DownloadFailed",
    "DownloadInterrupted",
    "GuardFailed",
    "LabelWordError",
    "SourceError",
    "TrainingFailed",
    "VocabsemError",
    "shorten",
    "suggest",
]

LONGEST_QUOTE = 200
_QUOTE = r"""(?:(?<!\w)'(?:\\.|[^'\\]|'(?=\w))*'|"(?:\\.|[^"\\])*")"""
_QUOTED = re.compile(rf"{_QUOTE}(?:, {_QUOTE})*", re.DOTALL)


def shorten(message: str) -> str:
    """Cut every quotation of a message, list of quotations, or word without a space to 200 characters.

    Parameters
    ----------
    message : str
        Text that quotes input of any length.

    Returns
    -------
    str

    Examples
    --------
    >>> len(shorten(f"unknown key {'k' * 10_000!r} in the card"))
    224
    """
    return re.sub(r"\S+", lambda word: _cut(word[0]), _QUOTED.sub(lambda quoted: _cut(quoted[0]), message))


def _cut(text: str) -> str:
    """Return text of at most 200 characters, with the quotation mark or the colon at its end."""
    if len(text) <= LONGEST_QUOTE:
        return text
    last = text[-1] if text[-1] in "'\":" else ""
    return text[: LONGEST_QUOTE - 1 - len(last)] + "…" + last


def suggest(given: str, known: Iterable[str]) -> str:
    """Return the known name that is nearest to an unknown one, if any is near, and all known names.

    Parameters
    ----------
    given : str
        The unknown name.
    known : iterable of str
        What could have been meant.

    Returns
    -------
    str

    Examples
    --------
    >>> suggest("rigde", ["centroid", "ridge"])
    "did you mean 'ridge'? known are centroid, ridge"
    """
    names = list(known)
    near = get_close_matches(given, names, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known are {', '.join(names) or 'none'}"


class VocabsemError(Exception):
    """The root of all errors of this package."""

    exit_code = 1
    """What the command line returns to the shell."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(shorten(arg) if isinstance(arg, str) else arg for arg in args))


class BadInput(VocabsemError):
    """Input that cannot be used."""

    exit_code = 2


class CardError(BadInput):
    """A card with an unknown key, a wrong value or no file."""


class SourceError(BadInput):
    """A source that is malformed, absent, or holds other bytes than its card declares."""


class LabelWordError(BadInput):
    """Label words that collide, are unknown to the tokenizer, or split into several tokens."""


class DataError(BadInput, ValueError):
    """Rows or arrays that cannot be used; a ValueError too, as in scikit-learn."""


class ComputationFailed(VocabsemError):
    """Good input whose computation did not finish."""


class DownloadFailed(ComputationFailed):
    """A registry or hub that did not answer or refused."""


class DownloadInterrupted(DownloadFailed):
    """A download that began and then broke off: worth another try."""


class GuardFailed(ComputationFailed):
    """A head whose logits of a state differ from the model's own."""


class TrainingFailed(ComputationFailed):
    """A calibrator whose loss or states became infinite."""
