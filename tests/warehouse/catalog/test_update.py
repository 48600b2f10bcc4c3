"""The catalog brought up to date: after any history of the lake the rows of a rebuild, and readers never disturbed."""

import shutil
import time
from contextlib import closing, suppress

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.warehouse.catalog.test_catalog import TABLES, VIEWS
from tests.warehouse.lakes import (
    CONTRASTS,
    put,
    put_anchors,
    put_comparisons,
    put_examples,
    put_fit,
    put_run,
    put_states,
)
from warehouse.catalog import catalog
from warehouse.catalog.catalog import connect, query, rebuild, update
from warehouse.errors import CheckFailed, CorruptPartition, WarehouseError
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

CELLS = [
    ("tiny", "mr", "zero_shot", "0"),
    ("tiny", "mr", "linear_probe", "4"),
    ("small", "trec", "linear_probe", "all"),
]


class History:
    """A lake and everything that may happen to it."""

    def __init__(self, home):
        self.home, self.lake, self.count = home, Lake(home), 0

    def version(self):
        self.count += 1
        time.sleep(0.002)  # manifests count milliseconds
        return self.count

    def publish(self, number):
        """A fit with all it needs, of a new version of its states where `number` is even."""
        cell = model, dataset, *_ = CELLS[number % len(CELLS)]
        version = self.version()
        examples = put_examples(self.lake, dataset)
        states = put_states(self.lake, model, dataset, examples, extra=version if number % 2 == 0 else None)
        fit = put_fit(self.lake, *cell, states, put_anchors(self.lake, model), extra=version)
        put_comparisons(self.lake, model, dataset, cell[3], CONTRASTS, {"predictions:0": fit.inputs["predictions"]})

    def record(self, number):
        """A run over every metrics partition there is, or over some."""
        metrics = list(self.lake.manifests("metrics"))
        comparisons = list(self.lake.manifests("comparisons"))
        put_run(self.lake, ("one", "two")[number % 2], metrics[number % 3 :], comparisons, extra=self.version())

    def reject(self, number):
        failed = {"name": "finite", "passed": False, "detail": str(self.version())}
        with suppress(CheckFailed):  # it may be published already
            put(self.lake, "examples", {}, checks=[failed], extra=f"rejected {number % 2}", dataset="mr")

    def accept(self, number):
        """What was rejected is published after all."""
        put(self.lake, "examples", {}, extra=f"rejected {number % 2}", dataset="mr")

    def remove(self, number):
        every = sorted(path.parent for path in self.home.lake.rglob("manifest.json"))
        if every:
            shutil.rmtree(every[number % len(every)])

    def replace(self, number):
        """A partition of tables is published anew under its key, with other facts."""
        every = [m for m in self.lake.manifests() if all(file.name.endswith(".parquet") for file in m.files)]
        if every:
            manifest = every[number % len(every)]
            partition = self.lake.of(manifest)
            tables = {file.name: pq.read_table(partition.path / file.name) for file in manifest.files}
            shutil.rmtree(partition.path)
            written = [partition.write_table(name, table) for name, table in tables.items()]
            facts = manifest.facts | {"again": self.version()}
            partition.publish(written, payload=manifest.payload, inputs=manifest.inputs, facts=facts)

    def update(self, number):
        update(self.home)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "publish", "record", "record", "reject", "accept", "remove", "replace", "update"]),
        st.integers(0, 60),
    ),
    max_size=12,
)


def everything(home):
    names = (*TABLES, *VIEWS, "lake.scores", "lake.ranks", "lake.compared", "lake.validated", "lake.known")
    with closing(connect(home)) as connection:
        return {name: connection.sql(f"from {name} order by all").to_arrow_table() for name in names}


@settings(max_examples=5, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])  # shrinking is slow
@given(events=EVENTS)
def test_after_any_history_an_update_gives_the_rows_of_a_rebuild(tmp_path_factory, events):
    home = Home(tmp_path_factory.mktemp("history") / "it's {a} home")
    history = History(home)
    update(home)
    for event, number in events:
        getattr(history, event)(number)
    update(home)
    updated, descriptions = everything(home), catalog.tables(home)
    rebuild(home)
    for name, table in everything(home).items():
        assert updated[name].to_pylist() == table.to_pylist(), name
    assert descriptions == catalog.tables(home)
    shutil.rmtree(home.root)


def test_an_update_without_a_catalog_is_a_rebuild(full, filled):
    assert update(full) == rebuild(full)
    for name, table in everything(filled).items():
        assert query(full, f"from {name} order by all").equals(table), name


@pytest.mark.parametrize("how", ["of another version", "unreadable", "cut"])
def test_a_catalog_of_another_version_or_unreadable_is_rebuilt(full, monkeypatch, how):
    rebuild(full)
    if how == "of another version":
        monkeypatch.setattr("warehouse.catalog.build.FORMAT", 0)
        rebuild(full)
        monkeypatch.undo()
    else:
        content = full.catalog.read_bytes()
        full.catalog.write_bytes(b"no database" * 1000 if how == "unreadable" else content[: len(content) // 2])
    reads = count_manifests(monkeypatch)
    assert update(full).partitions == 77
    assert len(set(reads)) == 77


def test_an_update_reads_only_the_manifests_that_are_new(full, monkeypatch):
    rebuild(full)
    put_anchors(Lake(full), "tiny", gauge="centered")
    reads = count_manifests(monkeypatch)
    assert update(full).partitions == 78
    assert len(set(reads)) == 1
    assert update(full).partitions == 78
    assert len(set(reads)) == 1


def count_manifests(monkeypatch):
    from warehouse.lake.manifest import Manifest

    reads, real = [], Manifest.from_json
    monkeypatch.setattr(Manifest, "from_json", staticmethod(lambda text, at: reads.append(at) or real(text, at)))
    return reads


def test_a_home_that_was_moved_is_read_where_it_lies_now(full, tmp_path):
    rebuild(full)
    moved = Home(tmp_path / "moved")
    full.root.rename(moved.root)
    update(moved)
    assert len(query(moved, "from predictions")) == 160


def test_readers_are_not_disturbed_by_an_update(home, lake):
    put_examples(lake, "mr")
    update(home)
    reader = connect(home)
    put_examples(lake, "trec")
    update(home)
    assert reader.execute("select count(*) from datasets").fetchall() == [(1,)]
    assert len(query(home, "from datasets")) == 2
    reader.close()
    assert sorted(path.name for path in home.root.iterdir()) == ["lake", "warehouse.duckdb"]


def test_what_is_damaged_stops_the_update_and_the_old_catalog_stays(full):
    rebuild(full)
    before = full.catalog.read_bytes()
    manifest = put_anchors(Lake(full), "tiny", gauge="centered")
    path = next(Lake(full).of(manifest).path.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptPartition, match="is damaged"):
        update(full)
    assert full.catalog.read_bytes() == before


def test_partitions_of_another_making_are_explained_by_an_update_too(full):
    import pyarrow as pa

    rebuild(full)
    put(Lake(full), "metrics", {"part-0.parquet": pa.table({"strange": [1]})}, model="tiny")
    with pytest.raises(WarehouseError, match="what this version does not write"):
        update(full)
