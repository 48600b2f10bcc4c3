"""Hashes of examples: the same texts with the same classes have the same hashes, whatever the files."""

import hashlib
import json
from collections.abc import Iterable, Mapping

__all__ = ["DIGITS", "example_hash", "split_hash"]

DIGITS = 16
"""Hexadecimal digits of a hash: 64 bits."""


def example_hash(fields: Mapping[str, str], label: str) -> str:
    """Return the hash of a text and its class.

    Parameters
    ----------
    fields : mapping of str to str
        Template field → text.
    label : str
        Name of the class.

    Returns
    -------
    str
        The first 16 digits of the SHA-256 of `{"fields":{…},"label":…}`: JSON in UTF-8, keys sorted, no spaces.

    Examples
    --------
    >>> example_hash({"text": "good film"}, "positive")
    '6613e5740673b400'
    """
    value = {"fields": dict(fields), "label": label}
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:DIGITS]


def split_hash(hashes: Iterable[str]) -> str:
    """Return the hash of a split, in whatever order its examples lie.

    Parameters
    ----------
    hashes : iterable of str
        Of its examples.

    Returns
    -------
    str
        The first 16 digits of the SHA-256 of the sorted hashes, one a line.

    Examples
    --------
    >>> split_hash(["b", "a"]) == split_hash(["a", "b"])
    True
    """
    return hashlib.sha256("".join(f"{each}\n" for each in sorted(hashes)).encode()).hexdigest()[:DIGITS]
