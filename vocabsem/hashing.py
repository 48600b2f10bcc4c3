"""SHA-256 of files and folders."""

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path


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
