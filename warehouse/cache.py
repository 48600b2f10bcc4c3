"""The cache of a home: downloads, converted models and mapped states, all made again when they are missing."""

import shutil
import time
from datetime import timedelta
from pathlib import Path

from warehouse.home import Home

KINDS = ("hub", "models", "pypi", "states")  # folders whose entries are each of one source or partition


def sweep_cache(home: Home, unused_for: timedelta) -> list[tuple[Path, int]]:
    """Remove the entries of which no file was read or written for `unused_for`. Returns their paths and bytes.

    Where the file system records no reading, the time of writing counts. A link to another home's cache is left alone.
    """
    deadline, removed = time.time() - unused_for.total_seconds(), []
    if home.cache.is_symlink():
        return []
    for entry in sorted(entry for kind in KINDS for entry in home.cache.glob(f"{kind}/*")):
        stats = [path.lstat() for path in (*entry.rglob("*"), entry) if not path.is_dir()]
        if stats and all(max(stat.st_atime, stat.st_mtime) < deadline for stat in stats):
            removed.append((entry, sum(stat.st_size for stat in stats)))
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return removed
