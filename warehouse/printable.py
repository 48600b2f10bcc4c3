"""Escape control characters of text for terminals."""


def printable(text: str, keep: str = "") -> str:
    """Return text without control characters but those to `keep`: the others as Python escapes them."""
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)
