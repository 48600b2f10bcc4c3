"""What one, two and four workers of each runner extract in a second, and what a task costs beside its computing.

With OMP_NUM_THREADS=1 each worker has a core. Runners whose package is not installed are left out. Then a home
in a bucket beside a local one.
"""

import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from prefect import flow

from benchmarks import Row, Setting, _object_store
from benchmarks.overhead import own_home
from flows.execution.stages import build_datasets, extract_states
from flows.execution.workers import EXTRAS, result_of, started, submit
from flows.planning.plan import Plan, make_plan
from flows.planning.variants import load_variant
from flows.services.prefect_api import in_process
from tasks.steps.decorator import step_task
from warehouse.home import Home

ROWS, SHARD = 256, 16
TASKS = 50
WORKERS = (1, 2, 4)
FIGURES, UNITS = ("extraction", "a task that does nothing"), ("rows/s", "ms")


def measure(setting: Setting) -> Iterator[Row]:
    engines = [name for name in ("process", "dask", "ray") if name not in EXTRAS or find_spec(EXTRAS[name])]
    runners = ["local", *(f"{name}:{workers}" for name in engines for workers in WORKERS)]
    with own_home(setting) as home, in_process(home):
        figures: dict[str, tuple[float, float]] = {}
        for index, runner in enumerate(runners):
            figures[runner] = _measured(home, setting, runner, index)
            engine, _, workers = runner.partition(":")
            beside = "local" if workers in ("", "1") else f"{engine}:1"
            for name, figure, other, unit in zip(FIGURES, figures[runner], figures[beside], UNITS, strict=True):
                yield Row(f"{runner}: {name}", figure, beside, other, unit, "")
    yield from _object_store.measure()


@flow(name="scale")
def _measured(home: Home, setting: Setting, runner: str, index: int) -> tuple[float, float]:
    """Return rows in a second, and milliseconds per task, once every worker has its model.

    index: of the runner: each has other rows, for what is published is not computed again.
    """
    warm, timed = (_plan(home, setting, runner, rows + index) for rows in (8 * SHARD, ROWS))
    with started(warm):
        for plan in (warm, timed):
            build_datasets(plan)
        extract_states(warm)
        seconds = []
        for work in (lambda: extract_states(timed), _nothing_many_times):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return (ROWS + index) / seconds[0], 1000 * seconds[1] / TASKS


def _plan(home: Home, setting: Setting, runner: str, rows: int) -> Plan:
    changes: dict[str, Any] = {"datasets": [setting.dataset], "methods": ["zero_shot"], "shots": [0], "seeds": [0]}
    changes |= {"limits.train": 16, "limits.validation": 16, "limits.test": rows, "shard_rows": SHARD}
    return make_plan(load_variant("quickstart", changes | {"runner": runner}), home, setting.data_dir)


def _nothing_many_times() -> None:
    for future in [submit(nothing, number) for number in range(TASKS)]:
        result_of(future)


@step_task(task_run_name="nothing {number}")
def nothing(number: int) -> int:
    """Return the process that did it."""
    return os.getpid()
