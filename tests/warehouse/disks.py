"""Disks that are too small, and what a catalog on them holds."""

import resource
import shutil
import subprocess
from contextlib import closing, contextmanager

import duckdb


@contextmanager
def largest_file(size):
    """Let this process write no file beyond `size` bytes: the same refusal as that of a full disk, without a mount."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(folder, size):
    """Mount a disk in memory of `size` bytes at the folder. Raises CalledProcessError where that is not allowed."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def left(folder, size):
    """Leave `size` bytes of the folder's disk."""
    filler = folder / "filler"
    subprocess.run(["fallocate", "-l", str(shutil.disk_usage(folder).free - size), filler], check=True)
    try:
        yield
    finally:
        filler.unlink()


def stored(path):
    """Return every row of every table of a catalog's file."""
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        names = connection.sql("select schema_name || '.' || table_name from duckdb_tables() order by all").fetchall()
        assert len(names) > 10
        return {name: connection.sql(f"from {name} order by all").fetchall() for (name,) in names}
