import hashlib
import json
import os
import subprocess
import sys
import textwrap
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.warehouse.lakes import put
from warehouse.errors import CheckFailed, CorruptPartition, InvalidName, NoSpace, NotPublished
from warehouse.lake import atomic
from warehouse.lake.keys import partition_key
from warehouse.lake.manifest import REJECTED
from warehouse.lake.partition import Lake

PAYLOAD = {"step": "states", "layers": [1]}
KEY = partition_key(PAYLOAD)
PARTS = ("part-00000000-00000003.parquet", "part-00000003-00000005.parquet")


def rows(start, stop):
    return pa.table({"id": [f"train-{i}" for i in range(start, stop)], "x": list(range(start, stop))})


@pytest.fixture
def partition(lake):
    return lake.partition("states", KEY, model="tiny", dataset="mr", split="train")


@pytest.fixture
def published(partition):
    entries = [partition.write_table(PARTS[0], rows(0, 3)), partition.write_table(PARTS[1], rows(3, 5))]
    partition.publish(entries, payload=PAYLOAD, inputs={"examples": KEY}, facts={"layers": [1]})
    return partition


def names(partition):
    return sorted(path.name for path in partition.path.iterdir())


def snapshot(folder):
    return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*")}


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (0, 3), (1, 2), (2, 4), (3, 5), (4, 5), (2, 2)])
def test_a_range_of_rows_is_read_across_files_and_row_groups(published, start, stop):
    whole = published.table(["x"])
    assert published.table(["x"], rows=range(start, stop)).equals(whole.slice(start, stop - start))


def test_no_row_group_beside_the_range_is_read(partition, monkeypatch):
    monkeypatch.setattr("warehouse.lake.vectors.ROW_GROUP", 4)
    partition.publish([partition.write_table("part-0.parquet", rows(0, 10))], payload=PAYLOAD)
    groups, read = [], pq.ParquetFile.read_row_groups

    def record(file, numbers, *arguments):
        groups.append(list(numbers))
        return read(file, numbers, *arguments)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", record)
    assert partition.table(["x"], rows=range(5, 9))["x"].to_pylist() == [5, 6, 7, 8]
    assert partition.table(["x"], rows=range(4, 8))["x"].to_pylist() == [4, 5, 6, 7]
    assert groups == [[1, 2], [1]]


def test_the_path_is_made_of_kind_coordinates_and_twelve_digits(home, partition):
    assert partition.path == home.lake / "states" / "model=tiny" / "dataset=mr" / "split=train" / f"key={KEY[:12]}"
    assert str(partition) == f"states/model=tiny/dataset=mr/split=train/key={KEY[:12]}"


def test_describing_a_partition_touches_no_disk(home, partition):
    assert not partition.published
    assert partition.manifest() is None
    assert partition.finished(PARTS[0]) is None
    assert not home.root.exists()


def test_numbers_are_coordinates_as_text(lake):
    assert lake.partition("metrics", KEY, shots=16).coordinates == {"shots": "16"}


@pytest.mark.parametrize(
    ("kind", "key", "coordinates"),
    [
        ("../states", KEY, {}),
        ("states", "../" + KEY[3:], {}),
        ("states", KEY, {"model": "../../etc"}),
        ("states", KEY, {"model": "a=b"}),
        ("states", KEY, {"model": ""}),
        ("states", KEY, {"model": "x' or 1=1"}),
        ("states", KEY, {"..": "x"}),
    ],
)
def test_nothing_leads_out_of_the_lake(lake, kind, key, coordinates):
    with pytest.raises(InvalidName):
        lake.partition(kind, key, **coordinates)


@pytest.mark.parametrize("name", ["../part-0.parquet", "/tmp/x.parquet", "a/b.parquet", ".parquet", "manifest.json"])
def test_no_file_leads_out_of_its_partition(partition, name):
    with pytest.raises(InvalidName):
        partition.write_table(name, rows(0, 1))
    with pytest.raises(InvalidName):
        partition.write_bytes(name, b"")


def test_what_is_published_reads_back(published):
    assert published.published
    assert published.table().equals(pa.concat_tables([rows(0, 3), rows(3, 5)]))
    assert published.table(columns=["x"]).column_names == ["x"]
    assert published.table(filters=pc.field("x") >= 3)["id"].to_pylist() == ["train-3", "train-4"]
    assert pq.read_metadata(published.file(PARTS[0])).num_rows == 3
    published.verify()


def test_the_manifest_states_all(published):
    manifest = published.manifest()
    assert (manifest.kind, manifest.key, manifest.rows) == ("states", KEY, 5)
    assert manifest.coordinates == {"model": "tiny", "dataset": "mr", "split": "train"}
    assert manifest.payload == PAYLOAD
    assert manifest.inputs == {"examples": KEY}
    assert manifest.versions["pyarrow"] == pa.__version__
    assert datetime.fromisoformat(manifest.created).utcoffset().total_seconds() == 0
    for entry in manifest.files:
        content = (published.path / entry.name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        length = int.from_bytes(content[-8:-4], "little")
        assert entry.footer == hashlib.sha256(content[-8 - length : -8]).hexdigest()
    assert names(published) == ["manifest.json", *PARTS]


def test_columns_named_by_folders_stay_out_of_the_table(published):
    assert published.table().column_names == ["id", "x"]


def test_missing_columns_and_files_are_named(published):
    with pytest.raises(NotPublished, match=r"has no columns \['layer_7'\], only \['id', 'x'\]"):
        published.table(columns=["id", "layer_7"])
    with pytest.raises(NotPublished, match=r"has no file 'seed-0\.safetensors'"):
        published.file("seed-0.safetensors")


def test_nothing_is_there_before_the_manifest(partition, lake):
    entry = partition.write_table(PARTS[0], rows(0, 3))
    assert partition.finished(PARTS[0]) == entry
    assert not partition.published
    assert list(lake.manifests()) == []
    for read in (partition.table, partition.verify, lambda: partition.file(PARTS[0])):
        with pytest.raises(NotPublished, match="was never published"):
            read()


def test_bytes_lie_beside_the_rows(lake):
    partition = lake.partition("calibrators", KEY, model="tiny")
    entry = partition.write_bytes("seed-0.safetensors", b"\0\1")
    assert entry.rows is None
    assert partition.publish([entry], payload=PAYLOAD).rows == 0
    assert partition.file("seed-0.safetensors").read_bytes() == b"\0\1"
    with pytest.raises(NotPublished, match="holds no rows"):
        partition.table()


def test_a_partition_may_have_no_files(lake):
    partition = lake.partition("runs", KEY, experiment="quickstart")
    partition.publish([], payload=PAYLOAD, facts={"seconds": 1.5})
    assert partition.published
    partition.verify()


def test_the_key_must_be_the_payloads(partition):
    with pytest.raises(InvalidName, match="not keyed by its payload"):
        partition.publish([], payload={"step": "other"})
    assert not partition.path.exists()


def check(name, passed, **more):
    return {"name": name, "passed": passed, "detail": f"{name} as found", **more}


def test_a_failed_check_publishes_nothing_and_its_files_count_as_never_written(lake, partition):
    entries = [partition.write_table(name, rows(0, 3)) for name in PARTS]
    checks = [check("rows", True), check("finite", False), check("drift", False, severity="warn"), check("ids", False)]
    with pytest.raises(CheckFailed) as refused:
        partition.publish(entries, payload=PAYLOAD, checks=checks)
    assert str(refused.value).startswith(f"{partition} fails 'finite' (finite as found), 'ids' (ids as found) and was")
    assert f"look at {partition.path}, fix the cause" in str(refused.value)
    assert refused.value.exit_code == 1
    assert not partition.published
    assert partition.manifest() is None
    assert [partition.finished(name) for name in PARTS] == [None, None]
    assert names(partition) == sorted([*PARTS, REJECTED])
    refusal = partition.manifest(REJECTED)
    assert (refusal.checks, refusal.key, refused.value.key) == (checks, partition.key, partition.key)
    assert str(partition.refused(refusal.checks)) == str(refused.value)
    assert list(lake.manifests(name=REJECTED)) == [refusal]
    entries = [partition.write_table(name, rows(0, 3)) for name in PARTS]
    assert partition.manifest(REJECTED) is None, "it spoke of other files"
    partition.publish(entries, payload=PAYLOAD, checks=checks[:1])
    assert partition.published


def test_a_warning_is_published_with_its_figure(partition):
    warned = check("drift", False, severity="warn")
    manifest = partition.publish([partition.write_table(PARTS[0], rows(0, 3))], payload=PAYLOAD, checks=[warned])
    assert partition.manifest() == manifest
    assert manifest.checks == [warned]


def test_facts_that_json_cannot_say_publish_nothing(partition):
    entry = partition.write_table(PARTS[0], rows(0, 3))
    with pytest.raises(InvalidName, match="nan"):
        partition.publish([entry], payload=PAYLOAD, facts={"x": float("nan")})
    assert not partition.published
    assert partition.finished(PARTS[0]) == entry


def test_publishing_again_changes_nothing(published):
    before, first = snapshot(published.path), published.manifest()
    entry = published.write_table(PARTS[0], rows(7, 9))
    assert entry == first.file(PARTS[0])
    assert published.publish([entry], payload=PAYLOAD, facts={"other": 1}) == first
    assert snapshot(published.path) == before


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "longer":
        path.write_bytes(content + b"\0")
    elif how == "zeros":
        path.write_bytes(bytes(len(content)))
    elif how == "other rows":
        pq.write_table(pa.table({"x": [1, 2, 3, 4]}), path, compression="none", store_schema=False)
        path.write_bytes(path.read_bytes().rjust(len(content), b"\0"))


HOWS = ("missing", "truncated", "empty", "longer", "zeros", "other rows")


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_part_is_noticed_by_footers_alone(published, how):
    damage(published.path / PARTS[1], how)
    assert not published.published
    assert published.finished(PARTS[1]) is None
    assert published.finished(PARTS[0]) is not None
    for read in (published.table, published.verify, lambda: published.file(PARTS[1])):
        with pytest.raises(CorruptPartition) as refused:
            read()
        assert PARTS[1] in str(refused.value)
        assert f"remove the folder {published.path}" in str(refused.value)


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_part_is_computed_again_and_the_others_are_kept(published, how):
    damage(published.path / PARTS[1], how)
    kept = snapshot(published.path)[published.path / PARTS[0]]
    entry = published.write_table(PARTS[1], rows(3, 5))
    assert not published.published
    published.publish([published.finished(PARTS[0]), entry], payload=PAYLOAD)
    assert snapshot(published.path)[published.path / PARTS[0]] == kept
    assert published.table()["x"].to_pylist() == [0, 1, 2, 3, 4]
    published.verify()
    assert names(published) == ["manifest.json", *PARTS]


def test_a_flipped_byte_is_noticed_wherever_it_is(published):
    """By `verify` always; by `table` in the pages, whose checksums are compared; never a silent wrong row."""
    path, right = published.path / PARTS[0], published.table()
    content = path.read_bytes()
    silent = 0
    for index in range(len(content)):
        path.write_bytes(content[:index] + bytes([content[index] ^ 0x10]) + content[index + 1 :])
        with pytest.raises(CorruptPartition):
            published.verify()
        try:
            silent += not published.table().equals(right)
        except CorruptPartition:
            continue
    assert silent == 0


def test_a_manifest_that_cannot_be_read_is_computed_again(published, lake):
    (published.path / "manifest.json").write_text("{}")
    assert not published.published
    with pytest.raises(CorruptPartition, match="is no manifest"):
        list(lake.manifests())
    entries = [published.write_table(PARTS[0], rows(0, 3))]
    assert published.publish(entries, payload=PAYLOAD).rows == 3
    assert published.published


def test_another_keys_manifest_in_the_same_folder_counts_for_nothing(published, lake):
    other = lake.partition("states", KEY[:12] + "0" * 52, model="tiny", dataset="mr", split="train")
    assert other.path == published.path
    assert not other.published
    assert other.finished(PARTS[0]) is None


def test_a_sidecar_that_disagrees_is_no_evidence(partition):
    entry = partition.write_table(PARTS[0], rows(0, 3))
    sidecar = partition.path / f"{PARTS[0]}.json"
    good = sidecar.read_text()
    for text in ("", "{", "[]", "null", good.replace(KEY, "0" * 64), good.replace(PARTS[0], PARTS[1])):
        sidecar.write_text(text)
        assert partition.finished(PARTS[0]) is None
    sidecar.write_text(good)
    assert partition.finished(PARTS[0]) == entry
    (partition.path / PARTS[0]).unlink()
    assert partition.finished(PARTS[0]) is None
    with pytest.raises(CorruptPartition, match="not what was written"):
        partition.publish([entry], payload=PAYLOAD)


def test_a_refusing_disk_publishes_nothing(published, lake, monkeypatch):
    other = lake.partition("states", partition_key({}), model="tiny", dataset="mr", split="test")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace, match="free some space"):
        other.write_table(PARTS[0], rows(0, 3))
    monkeypatch.undo()
    assert not other.path.exists() or names(other) == []
    entry = other.write_table(PARTS[0], rows(0, 3))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace):
        other.publish([entry], payload={})
    monkeypatch.undo()
    assert names(other) == [PARTS[0], f"{PARTS[0]}.json"]
    assert other.finished(PARTS[0]) == entry
    assert published.published


def test_a_disk_that_loses_bytes_publishes_nothing(partition, monkeypatch):
    real = atomic._write_all
    monkeypatch.setattr(atomic, "_write_all", lambda file, data: real(file, bytes(data[:-9]) + b"x" + bytes(data[-8:])))
    with pytest.raises(CorruptPartition, match=r"does not read back as it was written \(its footer is another\)"):
        partition.write_table(PARTS[0], rows(0, 3))
    assert names(partition) == []


def test_manifests_are_found_by_kind(filled):
    lake = Lake(filled)
    kinds = [manifest.kind for manifest in lake.manifests()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "anchors": 2,
        "calibrators": 16,
        "comparisons": 12,
        "examples": 2,
        "metrics": 16,
        "predictions": 16,
        "runs": 1,
        "states": 12,
    }
    assert [manifest.coordinates["model"] for manifest in lake.manifests("anchors")] == ["small", "tiny"]
    assert list(lake.manifests("nothing")) == []
    assert all(lake.of(manifest).published for manifest in lake.manifests())


def test_a_folder_that_was_moved_is_refused(published, lake):
    wrong = published.path.parent.parent / "split=test"
    published.path.parent.rename(wrong)
    with pytest.raises(CorruptPartition, match="belongs to"):
        list(lake.manifests())


def test_links_are_not_followed(published, lake, tmp_path):
    outside = tmp_path / "outside"
    (published.path.parent.parent).rename(outside)
    published.path.parent.parent.symlink_to(outside)
    assert list(lake.manifests()) == []


WRITER = """
    import sys
    from pathlib import Path
    import pyarrow as pa
    from warehouse.home import Home
    from warehouse.lake.keys import partition_key
    from warehouse.lake.partition import Lake

    number, rounds = int(sys.argv[2]), int(sys.argv[3])
    lake = Lake(Home(Path(sys.argv[1])))
    sys.stdin.readline()
    for turn in range(rounds):
        payload = {"turn": turn}
        partition = lake.partition("states", partition_key(payload), model="tiny")
        entries = []
        for part in range(3):
            # Every writer's bytes differ, as timings would make them; the first to publish wins, with its own whole.
            table = pa.table({"part": [part], "writer": [number]})
            entries.append(partition.write_table(f"part-{part}.parquet", table))
        manifest = partition.publish(entries, payload=payload, facts={"writer": number})
        print(turn, manifest.facts["writer"], *(entry.sha256 for entry in manifest.files))
"""


@pytest.mark.medium
def test_five_writers_of_the_same_partitions_agree_on_one_answer(home, lake):
    """After delta-rs: five processes publish the same eight partitions; each is published once, and everyone gets
    the same manifest, whose files are exactly those on the disk."""
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(home.root)]
    writers = [
        subprocess.Popen([*command, str(n), "8"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(5)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    outputs = [writer.communicate(timeout=60)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 5
    assert len(set(outputs)) == 1
    assert len(outputs[0].splitlines()) == 8
    manifests = list(lake.manifests())
    assert len(manifests) == 8
    for manifest in manifests:
        lake.of(manifest).verify()
        assert names(lake.of(manifest)) == ["manifest.json", "part-0.parquet", "part-1.parquet", "part-2.parquet"]
        assert lake.of(manifest).table()["part"].to_pylist() == [0, 1, 2]


def test_publishing_is_cheap(lake, monkeypatch):
    """Far below a hundredth of a second beyond the disk's own time, however slow the machine."""
    from time import process_time

    monkeypatch.setattr(atomic.os, "fsync", lambda _: None)
    table = pa.table({"seed": [0, 1], "value": [0.5, 0.25]})
    put(lake, "metrics", {"part-0.parquet": table}, shots="0")
    began = process_time()
    for shots in range(1, 101):
        put(lake, "metrics", {"part-0.parquet": table}, shots=shots)
    assert (process_time() - began) / 100 < 0.01
    began = process_time()
    assert sum(lake.of(manifest).published for manifest in lake.manifests()) == 101
    assert (process_time() - began) / 101 < 0.005


def test_the_manifest_is_for_people_too(published):
    text = (published.path / "manifest.json").read_text()
    assert text.startswith('{\n "format": 1,\n "kind": "states",')
    assert json.loads(text)["rows"] == 5
