"""Which process did something, and whether it still runs."""

import os
import platform

import psutil

CLOCK_SECONDS = 60.0  # by which a process's start may move when the clock is set; a number is not given again so soon


def this_process() -> str:
    """Return host, process id and start of this process."""
    return f"{platform.node()} {os.getpid()} {psutil.Process().create_time():.2f}"


def has_ended(process: str | None) -> bool:
    """Return whether a process that `this_process` named ran on this machine and runs no more; False for what cannot be
    known."""
    if process is None or process.split()[0] != platform.node():
        return False
    _, pid, started = process.split()
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(started)) > CLOCK_SECONDS)
    except psutil.NoSuchProcess:
        return True
