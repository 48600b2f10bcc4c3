"""What identifies the bytes of a file or of a folder."""

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

__all__ = ["files_in", "sha256_of"]


def sha256_of(path: Path, patterns: Sequence[str] | None = None) -> str:
    """Return the SHA-256 of a file's bytes; of a folder, of its sorted lines `<relative path> <sha256>`, one a file.

    Parameters
    ----------
    path : Path
        File or folder.
    patterns : sequence of str, optional
        Which files of a folder; by default all.

    Returns
    -------
    str
        64 hex digits.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "empty.csv")
    ...     path.touch()
    ...     sha256_of(path)[:8]
    'e3b0c442'
    """
    if path.is_dir():
        lines = [f"{p.relative_to(path).as_posix()} {sha256_of(p)}\n" for p in files_in(path, patterns)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(folder: Path, patterns: Sequence[str] | None = None) -> list[Path]:
    """Return all files below a folder, sorted by their relative paths.

    Parameters
    ----------
    folder : Path
        Where to look.
    patterns : sequence of str, optional
        As `*.json`: which relative paths; by default all.

    Returns
    -------
    list of Path

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = [Path(folder, name).write_text("") for name in ("b.csv", "a.csv", "c.txt")]
    ...     [path.name for path in files_in(Path(folder), ["*.csv"])]
    ['a.csv', 'b.csv']
    """
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return [files[name] for name in sorted(files) if patterns is None or any(fnmatch(name, p) for p in patterns)]
