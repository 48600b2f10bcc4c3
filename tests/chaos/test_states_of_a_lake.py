"""Any order of writing, killing, resuming, verifying, sweeping: what is published stays, also from the sweeper."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from warehouse.home import Home
from warehouse.lake import atomic
from warehouse.lake.gc import sweep, sweep_temporaries
from warehouse.lake.keys import partition_key
from warehouse.lake.lease import lease, lease_of
from warehouse.lake.partition import Lake
from warehouse.lake.verify import verify

pytestmark = pytest.mark.medium

NUMBERS, PARTS = st.integers(0, 2), [f"part-{n}.parquet" for n in range(3)]
OLD = timedelta(seconds=-60)  # so that everything is old enough


class Killed(BaseException):
    """The process is gone: unlike an error, nothing is cleaned up after it."""


class Workers(RuleBasedStateMachine):
    """Partitions of three parts, written whole or up to a kill at any file operation; `known` is what was published."""

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.home = Home(Path(self.folder.name))
        self.known = {}

    def teardown(self):
        self.folder.cleanup()

    def partition(self, number):
        return Lake(self.home).partition("toys", partition_key({"n": number}), model=f"m{number}")

    def work(self, number):
        partition = self.partition(number)
        entries = [partition.finished(name) or partition.write_table(name, table(number, name)) for name in PARTS]
        partition.publish(entries, payload={"n": number})
        self.known[number] = [(entry.name, entry.sha256) for entry in partition.manifest().files]

    @rule(number=NUMBERS)
    def run(self, number):
        kept = self.finished(number)
        if not self.partition(number).published:
            self.work(number)
        assert kept.items() <= self.finished(number).items(), "a finished part was written again"

    @rule(number=NUMBERS, steps=st.integers(0, 12))
    def kill(self, number, steps):
        """Work up to a file operation, and leave a half-written temporary as a killed process does."""
        left, real = [steps], Path.replace

        def replace(path, target):
            if not left[0]:
                half = path.read_bytes()
                path.with_name(f"{path.name}0").write_bytes(half[: len(half) // 2])
                raise Killed
            left[0] -= 1
            return real(path, target)

        if not self.partition(number).published:
            Path.replace = replace
            try:
                with suppress(Killed):
                    self.work(number)
            finally:
                Path.replace = real

    @rule(older=st.sampled_from([OLD, timedelta(days=1)]))
    def gc(self, older):
        sweep(self.home, older)

    @rule(number=NUMBERS)
    def gc_beside_a_writer(self, number):
        kept = self.finished(number)
        with lease(lease_of(self.partition(number).path)):
            sweep(self.home, OLD)
        assert self.finished(number) == kept, "what is being computed was swept"

    @rule()
    def restart(self):
        before = {number: self.finished(number) for number in range(3)}
        sweep_temporaries(self.home)
        assert not [path for path in self.home.root.rglob("*") if atomic.TEMPORARY in path.name]
        assert {number: self.finished(number) for number in range(3)} == before, "finished parts stay"

    def finished(self, number):
        partition = self.partition(number)
        entries = {name: partition.finished(name) for name in PARTS}
        return {
            name: (partition.path / name).stat().st_mtime_ns for name, entry in entries.items() if entry is not None
        }

    @invariant()
    def what_is_published_is_there_and_whole(self):
        assert [fault for one in verify(self.home) for fault in one.faults] == []
        for number, files in self.known.items():
            manifest = self.partition(number).manifest()
            assert manifest is not None, "a published partition is lost"
            assert [(entry.name, entry.sha256) for entry in manifest.files] == files
            assert self.partition(number).table()["x"].to_pylist() == [number, 0, number, 1, number, 2]


def table(number, name):
    return pa.table({"x": [number, PARTS.index(name)]})


Workers.TestCase.settings = settings(max_examples=settings().max_examples // 10, stateful_step_count=12)
TestAnyOrder = Workers.TestCase
