"""What changed since it was published is reported by every query that would read it, and by no other."""

import os
import re
import shutil

import pytest

from warehouse.catalog import catalog
from warehouse.catalog.catalog import query, rebuild, update
from warehouse.errors import CorruptPartition, WarehouseError, WriterBusy
from warehouse.home import Home
from warehouse.lake import files

pytestmark = pytest.mark.medium


@pytest.fixture
def sound(full, filled):
    """The filled lake in a home of one's own, its catalog up to date."""
    shutil.copyfile(filled.catalog, full.catalog)
    update(full)
    return full


def part(home, kind, number=0):
    return sorted((home.lake / kind).rglob("part-*.parquet"))[number]


def flip(path, share):
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("kind", ["examples", "states", "anchors", "predictions"])
def test_no_query_answers_from_a_flipped_byte(sound, kind, share):
    flip(part(sound, kind), share)
    for _ in range(2):
        with pytest.raises(CorruptPartition, match=r"its sha256 is .*remove its folder"):
            query(sound, f"select count(*), sum(hash(r)) from {kind} r")


@pytest.mark.parametrize("kind", ["states", "anchors"])
def test_files_that_were_swapped_are_reported(sound, kind):
    one, other = part(sound, kind), part(sound, kind, -1)
    one.rename(spare := one.with_name("spare"))
    other.rename(one)
    spare.rename(other)
    with pytest.raises(CorruptPartition, match="its sha256 is"):
        query(sound, f"from {kind}")


def test_what_does_not_read_the_damaged_file_is_answered(sound):
    flip(part(sound, "predictions"), 0.3)
    assert len(query(sound, "from leaderboard")) == 16
    assert len(query(sound, "from anchors")) == 10


def test_a_part_that_is_a_folder_is_reported(sound):
    path = part(sound, "examples")
    path.unlink()
    path.mkdir()
    with pytest.raises(CorruptPartition, match="directory"):
        query(sound, "from examples")


def test_no_file_is_read_whole_again_that_did_not_change(sound, monkeypatch):
    read = record_reads(monkeypatch)
    query(sound, "from predictions")
    update(sound)
    assert read == []


def test_files_of_a_copied_home_are_read_whole_once(sound, tmp_path, monkeypatch):
    copy = Home(tmp_path / "copy")
    shutil.copytree(sound.root, copy.root)
    rebuild(copy)
    read = record_reads(monkeypatch)
    os.utime(part(copy, "predictions"))
    assert len(query(copy, "from predictions")) == 160
    assert read == [part(copy, "predictions")]
    assert len(query(copy, "from predictions")) == 160
    assert len(read) == 1, "it was read again"


def test_a_catalog_that_another_process_writes_is_read_without_waiting(sound, monkeypatch):
    def busy(home, timeout, make, shared):
        assert (timeout, shared) == (0, False)
        raise WriterBusy("by another process")

    monkeypatch.setattr(catalog, "_write", busy)
    os.utime(part(sound, "predictions"))
    assert len(query(sound, "from predictions")) == 160


def test_a_damaged_new_file_stops_the_update(sound):
    before = sound.catalog.read_bytes()
    folder = part(sound, "anchors").parent
    manifest = folder / "manifest.json"
    os.utime(manifest)  # as if it was published again
    flip(part(sound, "anchors"), 0.3)
    with pytest.raises(CorruptPartition, match="its sha256 is"):
        update(sound)
    assert sound.catalog.read_bytes() == before


def test_a_flipped_byte_of_the_catalog_is_no_answer(sound):
    sizes = sound.catalog.stat().st_size
    right = query(sound, "from partitions order by path")
    for at in range(5000, sizes, sizes // 12):
        content = sound.catalog.read_bytes()
        flip(sound.catalog, at / sizes)
        try:
            answer = query(sound, "from partitions order by path")
        except WarehouseError as error:
            assert re.search("cannot be opened .* run `vocabsem warehouse rebuild`", str(error))  # noqa: PT017
        else:
            assert answer.equals(right)
        sound.catalog.write_bytes(content)


def record_reads(monkeypatch):
    """Return the list of the files that are read whole from now on."""
    read, real = [], files.other_bytes
    monkeypatch.setattr(files, "other_bytes", lambda path, sha256: read.append(path) or real(path, sha256))
    return read
