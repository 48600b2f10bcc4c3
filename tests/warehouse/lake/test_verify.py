"""Every published byte looked at: whatever is changed is found, named with its fix, and left as it is."""

import shutil

import pytest

from tests.warehouse.lakes import put
from warehouse.lake.manifest import MANIFEST
from warehouse.lake.partition import Lake
from warehouse.lake.verify import verification_summary, verify


def faults(home):
    return [fault for one in verify(home) for fault in one.faults]


def partition(home, kind):
    """The first published partition of a kind."""
    lake = Lake(home)
    return lake.of(next(lake.manifests(kind)))


def contents(home):
    return {path: path.read_bytes() for path in home.lake.rglob("*") if path.is_file()}


def test_a_sound_lake_is_counted_whole(filled):
    seen = list(verify(filled))
    manifests = list(Lake(filled).manifests())
    files = [entry for manifest in manifests for entry in manifest.files]
    assert faults(filled) == []
    assert [one.folder for one in seen] == [Lake(filled).of(manifest).path for manifest in manifests]
    assert sum(one.bytes for one in seen) == sum(entry.bytes for entry in files)
    size = sum(entry.bytes for entry in files) / 1e6
    assert (
        verification_summary(seen)
        == f"{len(manifests)} partitions, {len(files)} files, {size:,.1f} MB: all as published"
    )


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "a byte of a page": (lambda path: flip(path, 40), "its sha256 is "),
    "the footer": (lambda path: flip(path, -20), "its footer is another"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, not"),
    "lost": (lambda path: path.unlink(), "it is missing"),
    "replaced by a folder": (lambda path: (path.unlink(), path.mkdir()), "directory"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_one_damaged_file_is_found_with_its_fix_and_not_touched(full, damage):
    change, result = DAMAGE[damage]
    target = partition(full, "states")
    path = target.path / target.manifest().files[0].name
    change(path)
    before = contents(full)
    (fault,) = faults(full)
    assert fault.startswith(f"{path} is damaged (")
    assert result in fault
    assert f"remove the folder {target.path}; the next run computes it again" in fault
    assert verification_summary(list(verify(full))).endswith(": 1 damaged or missing")
    assert contents(full) == before


def test_everything_that_is_damaged_is_listed_not_only_the_first(full):
    hurt = [partition(full, kind).path for kind in ("examples", "anchors", "predictions")]
    for folder in hurt:
        flip(next(folder.glob("*.parquet")), 40)
    assert [str(folder) in fault for folder, fault in zip(sorted(hurt), faults(full), strict=True)] == [True] * 3


def test_a_broken_and_a_misplaced_manifest_are_faults(full):
    broken, moved = partition(full, "examples").path, partition(full, "anchors").path
    (broken / MANIFEST).write_text("{")
    shutil.move(moved, moved.with_name("key=000000000000"))
    result = dict(zip(("anchors", "examples"), faults(full), strict=True))
    assert f"{broken / MANIFEST} is no manifest" in result["examples"]
    assert f"belongs to {moved}: move its folder back" in result["anchors"]


def test_what_was_never_published_is_nobodys(full, lake):
    before = verification_summary(list(verify(full)))
    (lake.partition("states", "0" * 64, model="tiny").path).mkdir(parents=True)
    assert faults(full) == []
    assert verification_summary(list(verify(full))) == before


def test_a_partition_without_files_counts_and_an_empty_lake_is_sound(lake, home):
    assert verification_summary(list(verify(home))) == "0 partitions, 0 files, 0.0 MB: all as published"
    put(lake, "runs", {}, experiment="x")
    assert verification_summary(list(verify(home))) == "1 partitions, 0 files, 0.0 MB: all as published"


def test_one_partition_verified_agrees(full):
    from warehouse.errors import CorruptPartition

    target = partition(full, "states")
    target.verify()
    flip(target.path / target.manifest().files[0].name, 40)
    with pytest.raises(CorruptPartition) as raised:
        target.verify()
    assert [str(raised.value)] == faults(full)
