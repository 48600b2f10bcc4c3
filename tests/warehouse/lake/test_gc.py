import os
import time
from datetime import timedelta

import pyarrow as pa
import pytest

from tests.warehouse.lakes import put
from warehouse.catalog.catalog import rebuild
from warehouse.lake.gc import sweep
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake

DAY = timedelta(days=1)
TABLE = pa.table({"x": [1, 2]})


def age(path, days=2.0):
    """Make everything at and below `path` look untouched for `days`."""
    then = time.time() - days * 86400
    for each in [*path.rglob("*"), path]:
        os.utime(each, (then, then), follow_symlinks=False)


def files(home):
    return {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file()}


@pytest.fixture
def unfinished(lake):
    """A partition whose run was killed: a part, its sidecar, and a temporary."""
    partition = lake.partition("states", partition_key({"x": 1}), model="tiny")
    partition.write_table("part-0.parquet", TABLE)
    (partition.path / "part-1.parquet.tmp-00ff").write_bytes(b"half")
    return partition


def test_what_is_published_is_never_touched(full):
    home = full
    rebuild(home)
    age(home.root, days=1000)
    before = files(home)
    assert sweep(home, timedelta(0)) == []
    assert files(home) == before


def test_an_old_unfinished_partition_goes_as_a_whole(home, unfinished):
    age(unfinished.path)
    assert sweep(home, DAY) == [unfinished.path]
    assert not unfinished.path.exists()


def test_a_young_one_stays_with_its_finished_parts(home, unfinished):
    before = files(home)
    assert sweep(home, DAY) == []
    assert files(home) == before


@pytest.mark.parametrize("young", ["part-0.parquet", "part-0.parquet.json", "part-1.parquet.tmp-00ff", "."])
def test_one_young_file_keeps_the_partition(home, unfinished, young):
    """A live run that has written shards for days: the newest says that it lives."""
    age(unfinished.path)
    os.utime(unfinished.path / young)
    before = files(home)
    assert sweep(home, DAY) == []
    assert files(home) == before
    assert unfinished.finished("part-0.parquet")


def test_a_live_writer_is_waited_for_and_not_robbed(home, unfinished, monkeypatch):
    """The sweeper comes between a writer's temporary and its renaming, of a partition that is old but for it."""
    import threading

    from warehouse.lake import atomic

    age(unfinished.path)
    writing, go_on = threading.Event(), threading.Event()
    real = atomic._write_all

    def slow(file, data):
        writing.set()
        assert go_on.wait(20)
        real(file, data)

    monkeypatch.setattr(atomic, "_write_all", slow)
    writer = threading.Thread(target=unfinished.write_table, args=("part-1.parquet", TABLE))
    writer.start()
    assert writing.wait(20)
    removed = []
    sweeper = threading.Thread(target=lambda: removed.extend(sweep(home, DAY)))
    sweeper.start()
    sweeper.join(0.3)
    assert sweeper.is_alive(), "the sweeper waits for the writer"
    go_on.set()
    writer.join(20)
    sweeper.join(20)
    assert removed == []
    assert unfinished.finished("part-0.parquet")
    assert unfinished.finished("part-1.parquet")


def test_orphans_beside_a_manifest_go_and_the_listed_stay(home, lake):
    manifest = put(lake, "states", {"part-0.parquet": TABLE}, model="tiny")
    folder = lake.of(manifest).path
    orphans = [
        folder / name for name in ("part-0.parquet.json", "part-0.parquet.tmp-1", "part-9.parquet", "x.safetensors")
    ]
    for path in orphans:
        path.write_bytes(b"x")
    (folder / "notes.txt").write_text("somebody's own")
    assert sweep(home, DAY) == []
    age(folder)
    assert sweep(home, DAY) == sorted(orphans)
    assert lake.of(manifest).published
    assert (folder / "notes.txt").exists()


def test_a_partition_with_a_manifest_nobody_can_read_is_left_to_its_owner(home, lake):
    folder = lake.of(put(lake, "states", {"part-0.parquet": TABLE}, model="tiny")).path
    (folder / "manifest.json").write_text("{")
    age(folder)
    assert sweep(home, DAY) == []
    assert (folder / "part-0.parquet").exists()


def test_catalogs_that_were_never_finished_go(home):
    rebuild(home)
    half = home.root / "warehouse.duckdb.tmp-00ff"
    for name in (half, home.root / "warehouse.duckdb.tmp-00ff.wal"):
        name.write_bytes(b"half")
    assert sweep(home, DAY) == []
    age(home.root)
    assert len(sweep(home, DAY)) == 2
    assert home.catalog.exists()


def test_links_are_not_followed(home, tmp_path, lake):
    outside = tmp_path / "outside" / "key=000000000000"
    outside.mkdir(parents=True)
    (outside / "precious.parquet").write_bytes(b"x")
    (home.lake / "states").mkdir(parents=True)
    (home.lake / "states" / "model=tiny").symlink_to(tmp_path / "outside")
    age(tmp_path)
    assert sweep(home, DAY) == []
    assert (outside / "precious.parquet").exists()


def test_an_empty_home_is_clean(home):
    assert sweep(home, DAY) == []
    assert not home.root.exists()


def test_what_was_swept_can_be_computed_again(home, unfinished):
    age(unfinished.path)
    sweep(home, DAY)
    entry = unfinished.write_table("part-0.parquet", TABLE)
    unfinished.publish([entry], payload={"x": 1})
    assert Lake(home).of(unfinished.manifest()).table().equals(TABLE)
