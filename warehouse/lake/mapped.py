"""Rows of float32 mapped from files of the cache: pages are read as they are used, and taken back as they must."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from warehouse.home import Home
from warehouse.lake import atomic

FLOAT32 = "<f4"


def mapped_rows(
    home: Home, key: str, shape: tuple[int, int], blocks: Callable[[], Iterable[NDArray[np.float32]]]
) -> NDArray[np.float32]:
    """Return rows of `shape` (N, d), read-only, mapped from the file of `key`; the blocks are written where it is not.

    Processes that map one file share its pages; one of them writes it while the others wait. A file that is not as long
    as its rows is written anew. Raises NoSpace.
    """
    path = home.cache / "states" / f"{key}.npy"
    if (rows := _mapped(path, shape)) is not None:
        return rows
    with atomic.translate_os_errors(path, 4 * shape[0] * shape[1]), atomic.locked(path.parent):
        if (rows := _mapped(path, shape)) is not None:
            return rows
        for left in path.parent.glob(f"*{atomic.TEMPORARY}*"):  # by a writer that was killed: no other holds the lock
            left.unlink()
        with atomic.replaced(path) as temporary, temporary.open("xb") as file:
            npy.write_array_header_1_0(file, {"descr": FLOAT32, "fortran_order": False, "shape": shape})
            for block in blocks():
                file.write(np.ascontiguousarray(block, FLOAT32).data.cast("B"))
    rows = _mapped(path, shape)
    assert rows is not None, f"{path} has other rows than the {shape[0]} of its manifest"
    return rows


def _mapped(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    with suppress(FileNotFoundError, ValueError, EOFError):
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
        if rows.shape == shape and rows.dtype == FLOAT32:
            return np.asarray(rows.view(np.ndarray))
    return None
