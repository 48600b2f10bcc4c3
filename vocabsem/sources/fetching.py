"""From a source, as cards write it, to files on this machine whose bytes are known.

    hf:org/name@revision            a repository of the hub; hf:datasets/org/name@revision for data sets
    hf:org/name@revision/path       one file of it; with a trailing slash, one folder
    pypi:package==version/path      one file out of a package's wheel; with a trailing slash, one folder
    file:path                       a file or folder, from the working directory

Every fetched source leaves a receipt in the cache, written last: no receipt, not fetched.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote
from uuid import uuid4

from filelock import FileLock

from vocabsem.errors import DownloadFailed, SourceError
from vocabsem.sources.hub import commit_of, fetch_from_hub
from vocabsem.sources.wheels import fetch_from_wheel

FORMS = {
    "hf": re.compile(r"(?P<name>(?:datasets/)?[\w.-]+/[\w.-]+)@(?P<version>[\w.%-]+)(?:/(?P<path>.*))?"),
    "pypi": re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[A-Za-z0-9][\w.!+-]*)/(?P<path>.+)"),
    "file": re.compile(r"(?P<path>.+)"),
}
EXPECTED = "expected hf:org/name@revision, pypi:package==version/path/in/wheel or file:path"


@dataclass(frozen=True)
class Source:
    scheme: Literal["hf", "pypi", "file"]
    name: str
    """Repository or package; empty for a file."""
    version: str
    """Revision or release; empty for a file."""
    path: str
    """Inside the repository or wheel, or on this machine; a trailing slash means a folder."""


@dataclass(frozen=True)
class Fetched:
    path: Path
    """The file or folder."""
    sha256: str
    """Of its bytes, as `sha256_of` defines it for folders."""
    revision: str | None
    """The hub's commit."""


@dataclass(frozen=True)
class _Receipt:
    source: str
    path: str
    """Relative to the cache, absolute for `file:`."""
    sha256: str
    revision: str | None
    patterns: list[str] | None
    state: str
    """Sizes and, for `file:`, times of change: cheap to compare, enough to notice a lost or edited file."""


def parse(text: str) -> Source:
    """Raises SourceError for anything but the forms above, and for paths that climb out of their archive."""
    scheme, _, rest = text.partition(":")
    match = FORMS[scheme].fullmatch(rest) if scheme in FORMS else None
    if match is None:
        raise SourceError(f"source {text!r} cannot be read: {EXPECTED}")
    parts = {key: value or "" for key, value in match.groupdict().items()}
    inside = PurePosixPath(parts["path"])
    if scheme != "file" and (inside.is_absolute() or ".." in inside.parts or "\\" in parts["path"]):
        raise SourceError(f"source {text!r} leaves its archive: give a path inside it")
    name, version = parts.get("name", ""), unquote(parts.get("version", ""))
    return Source(scheme, name, version, parts["path"])  # type: ignore[arg-type]  # a key of FORMS


def fetch(text: str, cache: Path, *, sha256: str | None = None, patterns: Sequence[str] | None = None) -> Fetched:
    """The files of source `text`, downloaded to `cache` unless they are there already.

    sha256: what the bytes must hash to; patterns: which files of a hub repository, as `*.json`; all if None.
    Raises SourceError: malformed, absent, or other bytes than `sha256` (which are not kept); DownloadFailed: no answer.
    """
    source = parse(text)
    found = cached(text, cache)
    if found is None:
        if source.scheme == "file":
            raise SourceError(f"source {text!r}: {_local(source)} does not exist")
        try:
            (cache / "locks").mkdir(parents=True, exist_ok=True)
            with FileLock(cache / "locks" / _key(text)):
                # Another process may have fetched it while this one waited.
                found = cached(text, cache) or _download(text, source, cache, sha256, patterns)
        except OSError as error:
            raise DownloadFailed(f"cannot keep {text!r} in {cache}: {error.strerror or error}") from error
    _check(text, found.sha256, sha256)
    return found


def cached(text: str, cache: Path) -> Fetched | None:
    """What an earlier `fetch` left, or None; asks no network. A `file:` is its own cache, hashed when changed."""
    source = parse(text)
    receipt = _read_receipt(text, cache)
    if source.scheme == "file":
        local = _local(source)
        if not local.exists():
            return None
        if receipt and receipt.path == str(local) and receipt.state == _state(local, None, times=True):
            return Fetched(local, receipt.sha256, None)
        return _keep(text, cache, local, str(local), None, None)
    if receipt is None:
        return None
    path = cache / receipt.path
    if not path.exists() or receipt.state != _state(path, receipt.patterns, times=False):
        return None
    return Fetched(path, receipt.sha256, receipt.revision)


def refresh(text: str, cache: Path) -> None:
    """Fetch a hub source anew if its revision names another commit by now. Other sources, those never fetched, and all
    while the hub does not answer, stay as they are. Raises SourceError or DownloadFailed, with the old copy kept."""
    source, found = parse(text), cached(text, cache)
    if source.scheme == "hf" and found and found.revision != source.version:
        commit, receipt = commit_of(source.name, source.version), _read_receipt(text, cache)
        if receipt and commit and commit != found.revision:
            with FileLock(cache / "locks" / _key(text)):
                _download(text, source, cache, None, receipt.patterns)


def sha256_of(path: Path, patterns: Sequence[str] | None = None) -> str:
    """Of a file's bytes; of a folder, of its sorted lines `<relative path> <sha256>`, one a file."""
    if path.is_dir():
        lines = [f"{p.relative_to(path).as_posix()} {sha256_of(p)}\n" for p in files_in(path, patterns)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(folder: Path, patterns: Sequence[str] | None = None) -> list[Path]:
    """All files below `folder` whose relative path matches one of `patterns`, sorted by that path."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return [found[name] for name in sorted(found) if patterns is None or any(fnmatch(name, p) for p in patterns)]


def _download(text: str, source: Source, cache: Path, sha256: str | None, patterns: Sequence[str] | None) -> Fetched:
    if source.scheme == "hf":
        if source.path:
            patterns = [f"{source.path}*" if source.path.endswith("/") else source.path]
        root, revision = fetch_from_hub(source.name, source.version, patterns, cache / "hub")
        path = root / source.path
        if not path.exists():
            raise SourceError(f"no {source.path!r} in {source.name} at {source.version}: fix the card")
        return _keep(text, cache, path, os.path.relpath(path, cache), revision, None if source.path else patterns)
    place = Path("pypi") / f"{source.name}-{source.version}" / source.path
    target, partial = cache / place, cache / "pypi" / f".partial-{_key(text)}"
    _remove(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetch_from_wheel(source.name, source.version, source.path, partial)
        _check(text, sha256_of(partial), sha256)
        _remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(target)
    finally:
        _remove(partial)
    return _keep(text, cache, target, str(place), None, None)


def _keep(
    text: str, cache: Path, path: Path, place: str, revision: str | None, patterns: Sequence[str] | None
) -> Fetched:
    """Hash `path` and write its receipt, atomically."""
    digest = sha256_of(path, patterns)
    state = _state(path, patterns, times=text.startswith("file:"))
    receipt = _Receipt(text, place, digest, revision, list(patterns) if patterns else None, state)
    file = _receipt(text, cache)
    temporary = file.with_name(f"{file.name}.{uuid4().hex}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(receipt), indent=1), encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DownloadFailed(f"cannot keep a receipt of {text!r} in {file.parent}: {error.strerror}") from error
    return Fetched(path, digest, revision)


def _receipt(text: str, cache: Path) -> Path:
    return cache / "receipts" / f"{_key(text)}.json"


def _read_receipt(text: str, cache: Path) -> _Receipt | None:
    """None too where it cannot be read: then the source counts as not fetched."""
    try:
        return _Receipt(**json.loads(_receipt(text, cache).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _state(path: Path, patterns: Sequence[str] | None, *, times: bool) -> str:
    files = files_in(path, patterns) if path.is_dir() else [path]
    facts = [(str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns if times else 0) for f in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _check(text: str, found: str, expected: str | None) -> None:
    if expected is not None and found != expected:
        raise SourceError(
            f"source {text!r} has the sha256 {found}, its card says {expected}: "
            "these are other bytes; fix 'sha256' in the card only if you trust them"
        )


def _local(source: Source) -> Path:
    return Path(source.path).expanduser().absolute()


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
