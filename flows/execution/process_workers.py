"""Workers that are processes of this machine, by Prefect's own pool: one that is killed ends the run, which resumes."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from prefect.task_runners import ProcessPoolTaskRunner

from flows.execution.workers import Workers
from flows.planning.runner import Runner, local_workers
from vocabsem.runtime.devices import available_memory
from vocabsem.worker import prepare
from warehouse.home import Home


@contextmanager
def workers(runner: Runner, home: Home) -> Iterator[Workers]:
    """Yield a pool of processes that are kept between tasks."""
    count, threads = local_workers(runner)
    arguments = (str(home), threads)
    with ProcessPoolTaskRunner(max_workers=count, initializer=_begin, initargs=arguments) as pool:
        yield Workers(pool, slots=count, memory=available_memory() // count, lost=(BrokenProcessPool,))


def _begin(home: str, threads: int) -> None:
    """Begin a process of the pool, which ends with its parent, also where that is killed."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    prepare(home)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
