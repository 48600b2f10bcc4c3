"""Files written so that they are either whole and on the disk, or not there at all; and locks."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from warehouse.errors import NoSpace

TEMPORARY = ".tmp-"

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def write(
    path: Path, data: bytes | memoryview, *, accept: Callable[[BinaryIO], None] | None = None, sync: bool = True
) -> None:
    """Put `data` at `path` in one step: a temporary beside it is written, closed, reopened, checked by `accept`,
    synced, and renamed. Whatever is raised on the way, no temporary stays and `path` is as it was.

    `sync=False` leaves the moment of reaching the disk to the system: for files whose loss costs only time.
    """
    with replaced(path, sync=sync) as temporary:
        with temporary.open("xb", buffering=0) as file:
            _write_all(file, memoryview(data))
        with temporary.open("rb") as file:
            if os.fstat(file.fileno()).st_size != len(data):
                raise OSError(errno.EIO, "the file is not as long as what was written", str(temporary))
            if accept:
                accept(file)


@contextmanager
def replaced(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary beside `path`, which at the end of the block is synced and takes its place in one step.

    Whatever is raised in the block, the temporary is removed and `path` is as it was.
    """
    temporary = path.with_name(f"{path.name}{TEMPORARY}{uuid4().hex}")
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create `path` and its parents, each of them recorded on the disk."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring the folder's list of names to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path, *, create: bool = True) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when its holder dies.

    A folder that another process removes while we wait is made again, or, without `create`, FileNotFoundError.
    """
    while True:
        if create:
            make_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, folder):
                yield
                return
        finally:
            os.close(descriptor)


@contextmanager
def translate_os_errors(path: Path, size: int) -> Iterator[None]:
    """Turn the system's refusal to write `size` bytes at `path` into NoSpace."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL | _FORBIDDEN:
            raise
        fix = "free some space" if error.errno in FULL else "make the folder writable"
        raise NoSpace(
            f"cannot write {path.name} ({_readable(size)}) in {path.parent}: {os.strerror(error.errno or 0)} "
            f"({_readable(_free(path))} free): {fix}, or choose another home with --home or VOCABSEM_HOME; "
            "what is finished is kept"
        ) from error


def _write_all(file: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]


def _is_at(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


def _free(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _readable(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
