"""Check files of this machine before they are opened: a device or a pipe would be read for ever."""

import stat
from pathlib import Path

from vocabsem.errors import DataError, SourceError

__all__ = ["MAX_FILES", "check_local", "require_file"]

MAX_FILES = 200_000
SYSTEM = (Path("/dev"), Path("/proc"), Path("/sys"))


def check_local(path: Path) -> None:
    """Refuse what is neither a plain file nor a folder of plain files; links are followed.

    Parameters
    ----------
    path : Path
        An existing file or folder.

    Raises
    ------
    SourceError
        For devices, pipes, sockets, files of the system, links to them, and folders of more than 200,000 files.
    """
    _check_one(path.resolve())
    if path.is_dir():
        for number, file in enumerate(path.rglob("*")):
            if number >= MAX_FILES:
                raise SourceError(f"{path} holds more than {MAX_FILES:,} files: name a folder in it")
            _check_one(file)


def require_file(path: Path) -> None:
    """Refuse what is no file of texts, before anything that reads one is imported.

    Parameters
    ----------
    path : Path
        As it was given.

    Raises
    ------
    DataError
        Where there is nothing, or no file.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist or is no file: give a file of texts")


def _check_one(path: Path) -> None:
    try:
        mode, real = path.stat().st_mode, path.resolve() if path.is_symlink() else path
    except FileNotFoundError:
        return  # a link to nothing holds nothing
    except (OSError, RuntimeError) as error:
        raise SourceError(f"cannot read {str(path)[:200]}: {getattr(error, 'strerror', None) or error}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or any(real.is_relative_to(folder) for folder in SYSTEM):
        raise SourceError(f"{str(path)[:200]} is no plain file: give a file or a folder of files")
