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
ROOMS = ("benchmarks", "flows", "tasks", "vocabsem", "warehouse")
TICK = 0.01  # seconds between looks


def measure(setting: Setting) -> Iterator[Row]:
    from flows.pipeline import pipeline

    with own_home(setting) as home, in_process(home), watched() as rooms:
        card, which = (setting.card, {}) if setting.card else ("quickstart", {"datasets": [setting.dataset]})
        pipeline(card, which | {"champion": False}, str(home.root), str(setting.data_dir) if setting.data_dir else None)
    whole = sum(rooms.values())
    idle = whole - rooms["vocabsem"]
    name = f"a run of {setting.card or f'quickstart on {setting.dataset}'}: all but computing"
    yield Row(name, idle, "the whole run", whole, "s", "≤ 0.05")


@contextmanager
def own_home(setting: Setting) -> Iterator[Home]:
    """A home of its own, with nothing in it but the cache of models and data."""
    before = setting.home.root
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        (Path(folder) / "cache").symlink_to(setting.home.cache)
        try:
            yield set_environment(folder)
        finally:
            set_environment(before)


@contextmanager
def watched() -> Iterator[Counter[str]]:
    """Seconds of the block by room: `vocabsem` while any thread is in it, else the room the main thread is in."""
    seconds: Counter[str] = Counter()
    done = threading.Event()

    def look() -> None:
        last = time.perf_counter()
        while not done.wait(TICK):
            now = time.perf_counter()
            found = [_room(frame) for thread, frame in sys._current_frames().items() if thread != watcher.ident]
            seconds["vocabsem" if "vocabsem" in found else next(filter(None, found), "elsewhere")] += now - last
            last = now

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seconds
    finally:
        done.set()
        watcher.join()


def _room(frame: FrameType | None) -> str | None:
    """The innermost room in the thread's calls."""
    while frame is not None:
        if room := _room_of(frame.f_code.co_filename):
            return room
        frame = frame.f_back
    return None


@cache
def _room_of(file: str) -> str | None:
    path = Path(file)
    room = path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
    return room if room in ROOMS else None
