"""Workers that are processes of this machine, by Prefect's own pool: one that is killed ends the run, which resumes.

Each computes on a GPU of its own, where there are some. More processes than GPUs share them in turn.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import count
from multiprocessing.util import Finalize
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.task_runners import ProcessPoolTaskRunner

from flows.execution.workers import Workers
from flows.planning.runner import Runner, local_workers
from vocabsem.runtime.devices import available_memory, visible_gpus
from vocabsem.worker import prepare
from warehouse.home import Home

VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def workers(runner: Runner, home: Home, device: str = "cpu") -> Iterator[Workers]:
    """Yield a pool of processes that are kept between tasks: by default one a GPU, or two."""
    gpus = [] if device == "cpu" or device.startswith("cuda:") else visible_gpus()
    number, threads = local_workers(runner, default=len(gpus) or 2)
    with TemporaryDirectory(prefix="workers-") as folder:
        arguments = (str(home), threads, gpus, folder)
        with ProcessPoolTaskRunner(max_workers=number, initializer=_begin, initargs=arguments) as pool:
            yield Workers(pool, slots=number, memory=available_memory() // number, lost=(BrokenProcessPool,))


def _begin(home: str, threads: int, gpus: list[str], folder: str) -> None:
    """Begin a process of the pool, which ends with its parent, also where that is killed."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if gpus:  # before torch looks
        os.environ[VISIBLE] = gpus[claim_number(Path(folder)) % len(gpus)]
    prepare(home)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    Finalize(None, _leave, exitpriority=-1)  # after all others


def claim_number(folder: Path) -> int:
    """Return the least number from 0 on that no other process has claimed in the folder."""
    for number in count():
        try:
            (folder / str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        return number
    raise AssertionError("unreachable")


def _leave() -> NoReturn:
    """Send what is queued, and end this process without taking the interpreter apart, as commands do."""
    EventsWorker.drain_all()
    APILogWorker.drain_all()
    os._exit(0)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
