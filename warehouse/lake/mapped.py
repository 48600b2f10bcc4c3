"""Rows of float32 mapped from files of the cache: pages are read as they are used, and taken back as they must."""

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from warehouse.home import Home
from warehouse.lake import atomic

FLOAT32 = "<f4"
DIGEST = hashlib.sha256().digest_size  # bytes of the checksum behind the rows
CHUNK = 1 << 20  # bytes that are summed at a time


def mapped_rows(
    home: Home, key: str, shape: tuple[int, int], blocks: Callable[[], Iterable[NDArray[np.float32]]]
) -> NDArray[np.float32]:
    """Return rows of `shape` (N, d), read-only, mapped from the file of `key`; the blocks are written where it is not.

    Processes that map one file share its pages; one of them writes it while the others wait. A file that is not as it
    was written, by its length or its checksum, is written anew. Where the cache may only be read, rows that it lacks
    are mapped from a file without a name in the system's folder of temporaries, which ends with the array.
    Raises NoSpace.
    """
    path = home.cache / "states" / f"{key}.npy"
    if (rows := _mapped(path, shape)) is not None:
        return rows
    if not _is_writable(path.parent):
        return _unnamed(shape, blocks)
    with atomic.translate_os_errors(path, 4 * shape[0] * shape[1]), atomic.locked(path.parent):
        if (rows := _mapped(path, shape)) is not None:
            return rows
        for left in path.parent.glob(f"*{atomic.TEMPORARY}*"):  # by a writer that was killed: no other holds the lock
            left.unlink()
        with atomic.replaced(path) as temporary, temporary.open("xb") as file:
            file.write(header := _header(shape))
            digest = hashlib.sha256(header)
            for block in blocks():
                file.write(values := np.ascontiguousarray(block, FLOAT32).data.cast("B"))
                digest.update(values)
            file.write(digest.digest())
    rows = _mapped(path, shape)
    assert rows is not None, f"{path} has other rows than the {shape[0]} of its manifest"
    return rows


def _is_writable(folder: Path) -> bool:
    """Return whether files may be written in a folder, which is made where it is not there."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return os.access(there, os.W_OK)


def _unnamed(shape: tuple[int, int], blocks: Callable[[], Iterable[NDArray[np.float32]]]) -> NDArray[np.float32]:
    folder = Path(tempfile.gettempdir())  # TMPDIR moves it
    with atomic.translate_os_errors(folder / "states", 4 * shape[0] * shape[1]), tempfile.TemporaryFile() as file:
        for block in blocks():
            file.write(np.ascontiguousarray(block, FLOAT32).data.cast("B"))
        file.flush()
        return np.asarray(np.memmap(file, FLOAT32, "r", 0, shape).view(np.ndarray))


def _header(shape: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": FLOAT32, "fortran_order": False, "shape": shape})
    return file.getvalue()


def _mapped(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    with suppress(FileNotFoundError, ValueError):
        rows = np.memmap(path, FLOAT32, "r", len(_header(shape)), shape)
        if _is_as_written(path, len(_header(shape)) + rows.nbytes):
            return np.asarray(rows.view(np.ndarray))
    return None


def _is_as_written(path: Path, size: int) -> bool:
    """Return whether the checksum of the first `size` bytes is what follows them, and nothing else does."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for start in range(0, size, CHUNK):
            digest.update(file.read(min(CHUNK, size - start)))
        return file.read(DIGEST + 1) == digest.digest()
