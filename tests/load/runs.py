"""Many runs of one small card in one process: what they leave open, and what grows with them.

`python -m tests.load.runs [RUNS]` prints a row now and then.
"""

import gc
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.tasks.worlds import World, with_store
from warehouse.home import Home

PAGES = ("page_count", "freelist_count", "page_size")
SMALL = {"methods": ["zero_shot", "centroid"], "shots": [0, 4], "champion": True}


@dataclass(frozen=True)
class Sample:
    """What there is after a number of runs."""

    runs: int
    files: int
    """Open in this process."""
    threads: int
    memory: float
    """Resident in this process, in MB."""
    server: float
    """Resident in the Prefect server, in MB."""
    catalog: float
    prefect: float
    mlflow: float
    """The databases, in MB."""
    lake: int
    """Files in the lake."""
    seconds: float
    """Of a run, mean since the sample before."""


def sampled(world: World, runs: int, every: int) -> Iterator[Sample]:
    """Run the card again and again, with another seed each time, so that it is computed; yield a sample at times."""
    from flows.pipeline import pipeline
    from flows.services.prefect_api import in_process

    process, home = psutil.Process(), world.home
    with in_process(home):
        began = time.monotonic()
        for number in range(1, runs + 1):
            pipeline(experiment=world.card, overrides={"seeds": [number]}, home=str(home.root))
            if number % every == 0:
                seconds = (time.monotonic() - began) / every
                gc.collect()
                yield Sample(
                    number,
                    process.num_fds(),
                    process.num_threads(),
                    process.memory_info().rss / 1e6,
                    sum(child.memory_info().rss for child in process.children(recursive=True)) / 1e6,
                    *(_size(path) for path in (home.catalog, home.prefect / "prefect.db", home.root / "mlflow.db")),
                    sum(path.is_file() for path in home.lake.rglob("*")),
                    seconds,
                )
                began = time.monotonic()


def _size(path: Path) -> float:
    """Return the MB of a database with its write-ahead log."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if file.is_file()) / 1e6


def used(path: Path) -> float:
    """Return the MB of an SQLite database that hold something; the rest is free for what comes."""
    with closing(sqlite3.connect(path)) as database:
        pages, free, size = (database.execute(f"pragma {name}").fetchone()[0] for name in PAGES)
    return (pages - free) * size / 1e6


def after_retention(home: Home, most: float = 300) -> float:
    """Return the MB that hold something in Prefect's database once its server has removed the events, here at once."""
    from flows.services.servers import ephemeral_server

    path, deadline = home.prefect / "prefect.db", time.monotonic() + most
    os.environ["PREFECT_SERVER_EVENTS_RETENTION_PERIOD"] = "PT1S"
    try:
        with ephemeral_server(home):
            while _events(path):
                assert time.monotonic() < deadline, "the events stay"
                time.sleep(1)
    finally:
        del os.environ["PREFECT_SERVER_EVENTS_RETENTION_PERIOD"]
    return used(path)


def _events(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("select count(*) from events").fetchone()[0])


@contextmanager
def small_world() -> Iterator[World]:
    with TemporaryDirectory(prefix="many-runs-") as folder:
        yield with_store(World(Path(folder), experiment=SMALL))


def main(runs: int) -> None:
    names = ("runs", "files", "threads", "MB", "server MB", "catalog", "prefect", "mlflow", "lake files", "s a run")
    sys.stdout.write("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|\n")
    with small_world() as world:
        for each in sampled(world, runs, every=max(1, runs // 10)):
            cells = [f"{value:.1f}" if isinstance(value, float) else f"{value}" for value in vars(each).values()]
            sys.stdout.write("| " + " | ".join(cells) + " |\n")
            sys.stdout.flush()
        before = used(world.home.prefect / "prefect.db")
        after = after_retention(world.home)
        sys.stdout.write(f"in use in prefect.db: {before:.1f} MB, without the events {after:.1f} MB\n")


if __name__ == "__main__":
    from flows.services.environment import set_environment

    with TemporaryDirectory(prefix="many-runs-home-") as folder:
        set_environment(folder)
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
