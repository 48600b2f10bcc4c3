"""Which process did something, and whether it still runs."""

import fcntl
import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

import psutil

CLOCK_SECONDS = 60.0  # by which a process's start may move when the clock is set; a number is not given again so soon
_INITIAL_NAMESPACE = 0xEFFFFFFC  # of process ids, that of the machine itself: a constant of Linux
_MACHINE = Path("/etc/machine-id")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


def this_process() -> str:
    """Return host, process id and start of this process. The host is its name, `@` and what sets those of one name
    apart: machines, and on one machine containers, in which a process id means another process."""
    return f"{_host()} {os.getpid()} {psutil.Process().create_time():.2f}"


def has_ended(process: str | None) -> bool:
    """Return whether a process that `this_process` named ran where this one does and runs no more; False for what
    cannot be known."""
    if process is None or process.split()[0] != _host():
        return False
    _, pid, started = process.split()
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(started)) > CLOCK_SECONDS)
    except psutil.NoSuchProcess:
        return True


def lock(file: Path) -> int:
    """Lock a file, made if it is not there, for as long as this process lives. Returns the descriptor that holds it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)  # NFS locks only what may be written
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_locked(file: Path) -> bool:
    """Return whether a process of this machine, in whatever container, has locked a file and still lives."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _host() -> str:
    """A container's ends with its boot: the number of its namespace may be given again after the next."""
    namespace, known = _INITIAL_NAMESPACE, [_MACHINE]
    with suppress(OSError):  # of systems without namespaces
        namespace = _NAMESPACE.stat().st_ino
    if namespace != _INITIAL_NAMESPACE:
        known.append(_BOOT)
    parts = [str(namespace)]
    for file in known:
        with suppress(OSError):
            parts.append(file.read_text().strip())
    return f"{platform.node()}@{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]}"
