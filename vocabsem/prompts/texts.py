"""Text as people see it: whether anything of it is visible, and which spellings look or count the same."""

import re
import unicodedata

__all__ = ["folded", "is_empty"]

# Letters and marks that show nothing: a joiner, fillers of Hangul, vowels of Khmer, variation selectors, braille.
_BLANKS = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_INVISIBLE = {"Cc", "Cf", "Cn", "Zs", "Zl", "Zp"}
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def is_empty(text: str) -> bool:
    r"""Return whether a text shows nothing: white space, zero-width and control characters alone.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_empty(" \u200b"), is_empty("a")
    (True, False)
    """
    return all(unicodedata.category(c) in _INVISIBLE or _BLANKS.match(c) for c in text)


def folded(label: str) -> str:
    r"""Return what labels have in common that differ by form, case, white space, invisible characters or `.0`.

    Parameters
    ----------
    label : str
        As in the data.

    Returns
    -------
    str

    Examples
    --------
    >>> folded("Cafe\u0301 ") == folded("café"), folded("SPORT"), folded("1.0")
    (True, 'sport', '1')
    """
    text = unicodedata.normalize("NFKC", label).casefold()
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc") or c.isspace())
    text = " ".join(unicodedata.normalize("NFKC", _BLANKS.sub("", text)).split())
    return whole[1] if (whole := _WHOLE.fullmatch(text)) else text
