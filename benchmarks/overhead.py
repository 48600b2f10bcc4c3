"""What flows, tasks, tracking and the warehouse cost a run: the time in which nothing of the method is computing.

The start of a Prefect server is left out: `vocabsem up` keeps one.
"""

import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

from benchmarks import Row, Setting
from flows.services.environment import set_environment
from flows.services.prefect_api import in_process
from warehouse.home import Home

ROOT = Path(__file__).parent.parent
PACKAGES = ("benchmarks", "flows", "tasks", "vocabsem", "warehouse")
TICK = 0.01  # seconds between samples


def measure(setting: Setting) -> Iterator[Row]:
    from flows.pipeline import pipeline

    with own_home(setting) as home, in_process(home), sampled() as seconds:
        card, which = (setting.card, {}) if setting.card else ("quickstart", {"datasets": [setting.dataset]})
        pipeline(card, which | {"champion": False}, str(home.root), str(setting.data_dir) if setting.data_dir else None)
    whole = sum(seconds.values())
    idle = whole - seconds["vocabsem"]
    name = f"a run of {setting.card or f'quickstart on {setting.dataset}'}: all but computing"
    yield Row(name, idle, "the whole run", whole, "s", "≤ 0.05")


@contextmanager
def own_home(setting: Setting) -> Iterator[Home]:
    """Yield a temporary home, with nothing in it but the cache of models and data."""
    before = setting.home.root
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        setting.share_cache(folder)
        try:
            yield set_environment(folder)
        finally:
            set_environment(before)


@contextmanager
def sampled() -> Iterator[Counter[str]]:
    """Yield the seconds of the block by package: `vocabsem` while any thread is in it, else that of the main thread."""
    seconds: Counter[str] = Counter()
    done = threading.Event()

    def sample() -> None:
        last = time.perf_counter()
        while not done.wait(TICK):
            now = time.perf_counter()
            packages = [_package(frame) for thread, frame in sys._current_frames().items() if thread != sampler.ident]
            seconds["vocabsem" if "vocabsem" in packages else next(filter(None, packages), "elsewhere")] += now - last
            last = now

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield seconds
    finally:
        done.set()
        sampler.join()


def _package(frame: FrameType | None) -> str | None:
    """Return the innermost of our packages in the thread's calls."""
    while frame is not None:
        if package := _package_of(frame.f_code.co_filename):
            return package
        frame = frame.f_back
    return None


@cache
def _package_of(file: str) -> str | None:
    path = Path(file)
    package = path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
    return package if package in PACKAGES else None
