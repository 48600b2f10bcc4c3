"""Fetch the files of a source and identify their bytes.

Every fetched source leaves a receipt in the cache, written last: no receipt, not fetched.
"""

import hashlib
import json
import os
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vocabsem.errors import DownloadFailed, SourceError
from vocabsem.runtime.atomic import remove, replaced
from vocabsem.runtime.waiting import held
from vocabsem.sources.digests import files_in, sha256_of
from vocabsem.sources.hub import commit_of, fetch_from_hub
from vocabsem.sources.local import check_local
from vocabsem.sources.parsing import Source, gguf_parts, parse_source
from vocabsem.sources.wheels import fetch_from_wheel

__all__ = ["Fetched", "cached", "fetch", "refresh"]


@dataclass(frozen=True)
class Fetched:
    """The files of a source on this machine."""

    path: Path
    """File or folder; of a split file the first part."""
    sha256: str
    """Of its bytes, as `sha256_of` defines it for folders; of a split file as of a folder of its parts."""
    revision: str | None
    """The hub's commit."""


@dataclass(frozen=True)
class _Receipt:
    source: str
    path: str
    """Relative to the cache, absolute on this machine."""
    sha256: str
    revision: str | None
    patterns: list[str] | None
    state: str
    """Sizes and, where the source is its own cache, times of change: enough to notice a lost or edited file."""


def fetch(text: str, cache: Path, *, sha256: str | None = None, patterns: Sequence[str] | None = None) -> Fetched:
    """Fetch the files of a source, unless the cache has them.

    Parameters
    ----------
    text : str
        The source.
    cache : Path
        Folder of fetched sources.
    sha256 : str, optional
        What the bytes must hash to.
    patterns : sequence of str, optional
        Which files of a hub repository, as `*.json`; by default all.

    Returns
    -------
    Fetched

    Raises
    ------
    SourceError
        For a source that is malformed or absent, or other bytes than `sha256` (which are not kept).
    DownloadFailed
        Where the hub or the registry does not answer.

    Examples
    --------
    >>> fetch("hf:org/name@main", Path(".vocabsem/cache"), patterns=["config.json"]).path.name  # doctest: +SKIP
    '607a30d783dfa663caf39e06633721c8d4cfcd7e'
    """
    parts = gguf_parts(text)
    fetched = _whole([_fetch(part, cache, sha256 if len(parts) == 1 else None, patterns) for part in parts])
    _check(text, fetched.sha256, sha256)
    return fetched


def _fetch(text: str, cache: Path, sha256: str | None, patterns: Sequence[str] | None) -> Fetched:
    """Fetch one file or folder."""
    source = parse_source(text)
    fetched = _cached(text, cache)
    if fetched is None:
        if source.local:
            raise SourceError(f"source {text[:200]!r}: {str(_local(source))[:200]} does not exist")
        try:
            (cache / "locks").mkdir(parents=True, exist_ok=True)
            with held(cache / "locks" / _key(text), f"fetches {text[:200]}"):
                # Another process may have fetched it while this one waited.
                fetched = _cached(text, cache) or _download(text, source, cache, sha256, patterns)
        except OSError as error:
            raise DownloadFailed(f"cannot keep {text[:200]!r} in {cache}: {error.strerror or error}") from error
    return fetched


def cached(text: str, cache: Path) -> Fetched | None:
    """Return what an earlier `fetch` left, without the network.

    Parameters
    ----------
    text : str
        The source; a local file is its own cache, hashed again when it has changed.
    cache : Path
        Folder of fetched sources.

    Returns
    -------
    Fetched or None
        None where the source was not fetched.

    Examples
    --------
    >>> cached("hf:openai-community/gpt2@main", Path("an-empty-cache")) is None
    True
    """
    known = [_cached(part, cache) for part in gguf_parts(text)]
    return _whole([part for part in known if part]) if all(known) else None


def _cached(text: str, cache: Path) -> Fetched | None:
    source = parse_source(text)
    receipt = _read_receipt(text, cache)
    if source.local:
        local = _local(source)
        if not _exists(local):
            return None
        check_local(local)
        patterns = ["*.py"] if source.scheme == "python" else None  # what is compiled beside them changes
        if receipt and receipt.path == str(local) and receipt.state == _state(local, patterns, times=True):
            return Fetched(local, receipt.sha256, None)
        return _keep(text, cache, local, str(local), None, patterns)
    if receipt is None:
        return None
    path = cache / receipt.path
    if not path.exists() or receipt.state != _state(path, receipt.patterns, times=False):
        return None
    return Fetched(path, receipt.sha256, receipt.revision)


def refresh(text: str, cache: Path) -> None:
    """Fetch a hub source again if its revision has moved to another commit.

    Other sources, those never fetched, and all while the hub does not answer, stay as they are.

    Parameters
    ----------
    text : str
        The source.
    cache : Path
        Folder of fetched sources.

    Raises
    ------
    SourceError, DownloadFailed
        As `fetch` does; the old copy is kept.

    Examples
    --------
    >>> refresh("hf:openai-community/gpt2@main", Path(".vocabsem/cache"))  # doctest: +SKIP
    """
    for part in gguf_parts(text):
        source, kept = parse_source(part), _cached(part, cache)
        if source.scheme == "hf" and kept and kept.revision != source.version:
            commit, receipt = commit_of(source.name, source.version), _read_receipt(part, cache)
            if receipt and commit and commit != kept.revision:
                with held(cache / "locks" / _key(part), f"fetches {part[:200]}"):
                    _download(part, source, cache, None, receipt.patterns)


def _whole(parts: Sequence[Fetched]) -> Fetched:
    """Return the one file or folder there is; of several parts the first, with the hash of all."""
    if len(parts) == 1:
        return parts[0]
    if any(part.revision != parts[0].revision for part in parts):
        raise SourceError(f"the parts of {parts[0].path.name} are of several commits: name one in the source")
    lines = "".join(f"{part.path.name} {part.sha256}\n" for part in parts)
    return Fetched(parts[0].path, hashlib.sha256(lines.encode()).hexdigest(), parts[0].revision)


def _download(text: str, source: Source, cache: Path, sha256: str | None, patterns: Sequence[str] | None) -> Fetched:
    if source.scheme == "hf":
        if source.path:
            patterns = [f"{source.path}*" if source.path.endswith("/") else source.path]
        root, revision = fetch_from_hub(source.name, source.version, patterns, cache / "hub")
        path = root / source.path
        if not path.exists():
            raise SourceError(f"no {source.path!r} in {source.name} at {source.version}: fix the card")
        return _keep(text, cache, path, os.path.relpath(path, cache), revision, None if source.path else patterns)
    location = Path("pypi") / f"{source.name}-{source.version}" / source.path
    target, partial = cache / location, cache / "pypi" / f".partial-{_key(text)}"
    remove(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetch_from_wheel(source.name, source.version, source.path, partial)
        _check(text, sha256_of(partial), sha256)
        remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(target)
    finally:
        remove(partial)
    return _keep(text, cache, target, str(location), None, None)


def _keep(
    text: str, cache: Path, path: Path, location: str, revision: str | None, patterns: Sequence[str] | None
) -> Fetched:
    """Hash `path` and write its receipt, atomically."""
    digest = sha256_of(path, patterns)
    state = _state(path, patterns, times=parse_source(text).local)
    receipt = _Receipt(text, location, digest, revision, list(patterns) if patterns else None, state)
    file = _receipt(text, cache)
    try:
        with replaced(file) as temporary:
            temporary.write_text(json.dumps(asdict(receipt), indent=1), encoding="utf-8")
    except OSError as error:
        raise DownloadFailed(f"cannot keep a receipt of {text!r} in {file.parent}: {error.strerror}") from error
    return Fetched(path, digest, revision)


def _receipt(text: str, cache: Path) -> Path:
    return cache / "receipts" / f"{_key(text)}.json"


def _read_receipt(text: str, cache: Path) -> _Receipt | None:
    """Return None too where it cannot be read: then the source counts as not fetched."""
    try:
        return _Receipt(**json.loads(_receipt(text, cache).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _state(path: Path, patterns: Sequence[str] | None, *, times: bool) -> str:
    files = files_in(path, patterns) if path.is_dir() else [path]
    facts = [(str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns if times else 0) for f in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _check(text: str, actual: str, expected: str | None) -> None:
    if expected is not None and actual != expected:
        raise SourceError(
            f"source {text[:200]!r} has the sha256 {actual}, its card says {expected}: "
            "these are other bytes; fix 'sha256' in the card only if you trust them"
        )


def _local(source: Source) -> Path:
    if source.scheme == "python":
        return Path(sysconfig.get_path("stdlib")) / source.path
    return Path(source.path).expanduser().absolute()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a NUL
        raise SourceError(f"cannot read {str(path)[:200]!r}: {getattr(error, 'strerror', None) or error}") from error


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
