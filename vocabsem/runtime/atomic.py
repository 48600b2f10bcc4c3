"""Write a file or a folder of the cache whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["TEMPORARY", "remove", "replaced"]

TEMPORARY = ".tmp-"


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a place beside a path; what is there when the block ends takes the path's place in one step.

    Whatever is raised in the block, nothing stays beside the path. Nothing is synced, unlike in the lake: what is lost
    with the power is fetched or made again.

    Parameters
    ----------
    path : Path
        A file, or a folder that is not there yet. Its parents are made.

    Yields
    ------
    temporary : Path
        Where to write the file, or make the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}{TEMPORARY}{uuid4().hex}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there.

    Parameters
    ----------
    path : Path
        What is removed; of a link the link alone.

    Examples
    --------
    >>> remove(Path("no/such/file"))
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
