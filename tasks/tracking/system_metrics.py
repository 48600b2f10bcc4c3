"""What a run asks of the machine, in a few named curves: sampled beside it, thinned so that any length fits."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

FIRST_SECONDS = 0.25  # between samples at first: a run of seconds has a curve
MOST = 256  # samples kept; then every second one is dropped, and half as many are taken
MEGABYTE = 1e6
PREFIX = "system/"  # what MLflow's page of system metrics shows


@dataclass
class Watch:
    """Samples so far: Unix time and figures. Processes are this one and its children; 100 % is one core."""

    samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    interval: float = FIRST_SECONDS
    _known: dict[int, psutil.Process] = field(default_factory=dict, repr=False)

    def sample(self) -> None:
        processes = self._processes()
        share = memory = 0.0
        for process in processes:
            with suppress(psutil.Error):  # it has ended
                share += process.cpu_percent()
                memory += process.memory_info().rss / MEGABYTE
        machine = psutil.virtual_memory()
        figures = {
            "process_cpu_percentage": share,
            "process_memory_megabytes": memory,
            "machine_cpu_percentage": psutil.cpu_percent(),
            "machine_memory_percentage": machine.percent,
        }
        self.samples.append((time.time(), {f"{PREFIX}{name}": value for name, value in figures.items()}))
        if len(self.samples) > MOST:
            del self.samples[1::2]
            self.interval *= 2

    def _processes(self) -> list[psutil.Process]:
        """The same objects at every call: each knows its processor time of the call before."""
        own = psutil.Process()
        found = {process.pid: process for process in (own, *own.children(recursive=True))}
        self._known = {pid: self._known.get(pid, process) for pid, process in found.items()}
        return list(self._known.values())


@contextmanager
def watching() -> Iterator[Watch]:
    """Sample in a thread while the block runs."""
    watch, stop = Watch(), threading.Event()

    def loop() -> None:
        while not stop.wait(watch.interval):
            watch.sample()

    watch.sample()
    watch.samples.clear()  # the first has no time before it to take a share of
    thread = threading.Thread(target=loop, name="system metrics", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()
