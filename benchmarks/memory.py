"""The most memory a run holds, and what ten times the rows add to it."""

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import Row, Setting
from benchmarks.overhead import own_home
from flows.services.prefect_api import in_process

ROWS, SHARD = 120, 64


def measure(setting: Setting) -> Iterator[Row]:
    few, many = (peak(setting, rows) for rows in (ROWS, 10 * ROWS))
    yield Row(f"peak memory, states of {10 * ROWS:,} rows, all layers", many, f"{ROWS} rows", few, "GB", "≤ 1.1")


def peak(setting: Setting, rows: int) -> float:
    """Return the peak GB resident in the process of `vocabsem extract`, for a training split of `rows`."""
    limits, layers = {"train": rows, "validation": 16, "test": 16}, list(range(setting.model.layers + 1))
    words = setting.words(limits=limits, layers=layers, shard_rows=SHARD)
    command = [sys.executable, "-m", "flows.cli.main", "extract", "quickstart", *words]
    with own_home(setting) as home, in_process(home):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_maxrss / 1e6
