"""Where the tasks of a run compute: threads, processes of this machine, or a cluster of Dask or Ray that runs."""

import os
from typing import NamedTuple

from vocabsem.errors import BadInput, suggest

RUNNERS = ("local", "process", "dask", "ray")
VARIABLE = "VOCABSEM_RUNNER"
FORM = "NAME, NAME:WORKERS or, of dask and ray, NAME:ADDRESS"


class Runner(NamedTuple):
    """One of RUNNERS: with the address of a cluster, or with a number of workers on this machine."""

    name: str
    address: str | None = None
    workers: int | None = None


def parse_runner(text: str) -> Runner:
    """Return the runner of `dask`, `dask:2` or `dask:tcp://10.0.0.1:8786`. Raises BadInput."""
    name, colon, rest = text.partition(":")
    if name not in RUNNERS:
        raise BadInput(f"runner {text!r}: {suggest(name, RUNNERS)}; write {FORM}")
    if not colon:
        return Runner(name)
    if name != "local" and rest.isascii() and rest.isdigit() and int(rest):
        return Runner(name, workers=int(rest))
    if name in ("dask", "ray") and _port(rest):
        return Runner(name, address=rest)
    raise BadInput(f"runner {text!r} has neither workers nor the address of a cluster after its name: write {FORM}")


def find_runner(given: str | None) -> Runner:
    """Return the runner of a card or option, else that of VOCABSEM_RUNNER, else `local`. Raises BadInput."""
    return parse_runner(given or os.environ.get(VARIABLE) or RUNNERS[0])


def local_workers(runner: Runner, default: int = 2) -> tuple[int, int]:
    """Return the number of workers on this machine, and the threads of each."""
    count = runner.workers or default
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # OpenMP lists one of each nested level
    cores = int(limit) if limit.isdecimal() else usable or 1
    return count, max(1, cores // count)


def host_and_port(address: str) -> tuple[str, int]:
    """Return where `tcp://10.0.0.1:8786` or `head:6379` listens."""
    host, _, _ = address.rpartition("://")[2].rpartition(":")
    return host.strip("[]"), _port(address)


def _port(address: str) -> int:
    """Return the port that an address ends with, 0 where it has none or no host."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    return int(port) if host.strip("[]") and port.isascii() and port.isdigit() and int(port) < 1 << 16 else 0
