"""What killed processes leave in a cache: parts of downloads, of converted models, of receipts."""

import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vocabsem.runtime.atomic import TEMPORARY, remove

__all__ = ["sweep_leftovers"]

RECEIPT_SECONDS = 60.0  # it is written in milliseconds


def sweep_leftovers(cache: Path) -> None:
    """Remove abandoned parts; those that another process has locked stay.

    Parameters
    ----------
    cache : Path
        Folder of fetched sources.
    """
    for receipt in cache.glob(f"receipts/*{TEMPORARY}*"):
        with suppress(FileNotFoundError):
            if time.time() - receipt.stat().st_mtime > RECEIPT_SECONDS:
                receipt.unlink()
    parts = {
        model: model.parent / f"{model.name.partition('.')[0]}.lock" for model in cache.glob(f"models/*{TEMPORARY}*")
    }
    parts |= {part: cache / "locks" / part.name.removeprefix(".partial-") for part in cache.glob("pypi/.partial-*")}
    for part, lock in parts.items():
        with suppress(Timeout), FileLock(lock, timeout=0):
            remove(part)
