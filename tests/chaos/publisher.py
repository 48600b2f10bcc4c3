"""Kill a process at every step of the publish protocol, one step after another, and see what is left.

`python -m tests.chaos.publisher fresh|repair|rebuild FOLDER` forks a child for each step: the n-th child is killed,
by SIGKILL from its own hand, at its n-th step. A second child then looks at what readers see and finishes the work.
Prints one line a step; a child that fails stops everything with its traceback.
"""

import os
import shutil
import signal
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.catalog import build, catalog
from warehouse.home import Home
from warehouse.lake import atomic
from warehouse.lake.gc import sweep
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake

PAYLOAD = {"step": "toys"}
PARTS = {
    "part-00000000-00000003.parquet": pa.table({"id": ["a", "b", "c"], "x": [0, 1, 2]}),
    "part-00000003-00000005.parquet": pa.table({"id": ["d", "e"], "x": [3, 4]}),
}


class Steps:
    """Counts the steps of the protocol and dies at the chosen one."""

    def __init__(self, deadly, out):
        self.deadly, self.out, self.count = deadly, out, 0

    def __call__(self, name):
        self.count += 1
        if self.count == self.deadly:
            os.write(self.out, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)


def kind_of(path):
    """A path's part in the protocol, whatever its number."""
    name = Path(path).name
    suffix = " temporary" if atomic.TEMPORARY in name else ""
    base = name.split(atomic.TEMPORARY)[0]
    if base.startswith("part-"):
        base = "sidecar" if base.endswith(".json") else "part"
    return ("folder" if "=" in base or base in ("lake", "toys", "home") else base) + suffix


def instrument(steps):
    """Make every step before which, or in the middle of which, a process can die call `steps`."""

    def before(owner, name, describe):
        real = getattr(owner, name)

        def stepped(*arguments, **options):
            steps(f"before {describe(*arguments)}")
            return real(*arguments, **options)

        setattr(owner, name, stepped)

    def half(file, data):
        steps(f"before writing {kind_of(file.name)}")
        os.write(file.fileno(), data[: len(data) // 2])
        steps(f"in the middle of writing {kind_of(file.name)}")
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        real_write(file, data)
        steps(f"before closing {kind_of(file.name)}")

    real_write, atomic._write_all = atomic._write_all, half
    before(Path, "replace", lambda self, target: f"renaming {kind_of(self)}")
    before(Path, "unlink", lambda self, missing_ok=False: f"removing {kind_of(self)}")
    before(Path, "mkdir", lambda self, **_: f"making {kind_of(self)}")
    before(os, "fsync", lambda fd: f"syncing {kind_of(Path(f'/proc/self/fd/{fd}').readlink())}")
    before(build, "statement", lambda name: f"running {name}.sql")


def partition_of(home):
    return Lake(home).partition("toys", partition_key(PAYLOAD), model="tiny")


def work(home):
    """What a run does: the parts that are not finished yet, then the manifest."""
    partition = partition_of(home)
    if not partition.published:
        entries = [partition.finished(n) or partition.write_table(n, table) for n, table in PARTS.items()]
        partition.publish(entries, payload=PAYLOAD)


def read_back(home):
    """What must hold at any moment: readers see all or nothing, and what counts as finished is whole."""
    partition, whole = partition_of(home), pa.concat_tables(PARTS.values())
    if partition.published:
        partition.verify()
        assert partition.table().equals(whole), "a published table is not what was written"
    for manifest in Lake(home).manifests():
        assert manifest.rows == len(whole), "a manifest lists too little"
    kept = {}
    for name, table in PARTS.items():
        if entry := partition.finished(name):
            path = partition.path / name
            assert pq.read_table(path, partitioning=None).equals(table), "a finished part is not whole"
            kept[path] = (path.stat().st_ino, path.stat().st_mtime_ns, entry)
    return kept


def recover(home):
    kept = read_back(home)
    work(home)
    after = read_back(home)
    assert len(after) == len(PARTS), "the second run did not finish"
    assert all(after[path] == known for path, known in kept.items()), "a finished part was written again"
    sweep(home, timedelta(seconds=-60))
    names = sorted(path.name for path in partition_of(home).path.iterdir())
    assert names == ["manifest.json", *PARTS], f"the sweeper left {names}"
    assert partition_of(home).published


def damage(home):
    """A published partition of which one part is truncated: the repair takes the manifest back first."""
    work(home)
    path = partition_of(home).path / list(PARTS)[1]
    path.write_bytes(path.read_bytes()[:-3])


def recover_catalog(home):
    """The old catalog, of an empty lake, or the new one; never half of one, and the lock is free."""
    with closing(catalog.connect(home)) as connection:
        assert connection.execute("select count(*) from partitions").fetchone()[0] in (0, 1)
        assert connection.execute("select count(*) from leaderboard").fetchone()[0] == 0
    assert catalog.rebuild(home, timeout=1).partitions == 1
    sweep(home, timedelta(seconds=-60))
    assert sorted(path.name for path in home.root.iterdir()) == ["lake", "warehouse.duckdb"]


def set_up_catalog(home):
    """The catalog of an empty lake, made once, beside a lake that has grown."""
    model = Home(home.root.parent.parent / "model")
    if not model.catalog.exists():
        catalog.rebuild(model)
    work(home)
    shutil.copy(model.catalog, home.catalog)


SCENARIOS = {
    "fresh": (lambda home: None, work, recover),
    "repair": (damage, work, recover),
    "rebuild": (set_up_catalog, catalog.rebuild, recover_catalog),
}


def in_child(function, *arguments):
    """Run in a fork; returns its wait status."""
    child = os.fork()
    if child == 0:
        try:
            function(*arguments)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(3)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def die_at(step, work, home, out):
    instrument(Steps(step, out))
    work(home)


def main(scenario, folder):
    set_up, work, recover = SCENARIOS[scenario]
    for step in range(1, 1000):
        home = Home(Path(folder) / str(step) / "home")
        if in_child(set_up, home):
            return "setting up failed"
        source, sink = os.pipe()
        status = in_child(die_at, step, work, home, sink)
        os.close(sink)
        name = os.read(source, 1000).decode()
        os.close(source)
        if status == 0:
            return None if step > 1 else "there was no step to die at"
        if not os.WIFSIGNALED(status):
            return f"step {step} failed of itself"
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        if in_child(recover, home):
            return f"killed {name} (step {step}), it did not recover"
    return "there was no end"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
