"""Partitions in a bucket, by two machines: published once, never replaced, checked as they arrive, resumed, swept."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pyarrow as pa
import pytest

from tests.conftest import ROOT
from warehouse.errors import CheckFailed, CorruptPartition, NotPublished
from warehouse.lake.bucket import open_bucket
from warehouse.lake.gc import sweep, sweep_copies
from warehouse.lake.keys import partition_key
from warehouse.lake.lease import lease, lease_of
from warehouse.lake.manifest import MANIFEST, REJECTED
from warehouse.lake.partition import Lake
from warehouse.lake.verify import verification_summary, verify

pytestmark = pytest.mark.medium

PAYLOAD = {"step": "test"}
TABLE = pa.table({"id": ["a", "b"], "value": [1.5, 2.5]})
FAILED = {"name": "finite", "passed": False, "detail": "1 NaN"}


def partition(home, payload=PAYLOAD):
    return Lake(home).partition("states", partition_key(payload), model="tiny", split="test")


def publish(home, table=TABLE, payload=PAYLOAD, **more):
    one = partition(home, payload)
    return one.publish([one.write_table("part-0.parquet", table)], payload=payload, **more)


def objects(home):
    return [each.key for each in open_bucket(home.url).list("lake/")]


def test_what_one_machine_publishes_another_reads(machine, s3):
    one, two = partition(machine("one")), partition(machine("two"))
    assert not one.published
    with pytest.raises(NotPublished, match=f"was never published in {two.store.where(two.path)}"):
        two.table()
    manifest = publish(machine("one"))
    assert two.published
    assert two.manifest() == manifest
    assert two.table() == TABLE == one.table()
    assert two.table(["value"], rows=range(1, 2)) == TABLE.select(["value"])[1:]
    part = manifest.files[0]
    assert objects(machine()) == [
        f"lake/states/model=tiny/split=test/key={one.key[:12]}/{part.sha256[:12]}/part-0.parquet",
        f"lake/states/model=tiny/split=test/key={one.key[:12]}/{MANIFEST}",
    ]
    assert [m.key for m in Lake(machine("two")).manifests("states")] == [one.key]


def test_a_copy_is_not_fetched_again(machine, s3):
    publish(machine("one"))
    partition(machine("two")).table()
    s3.requests.clear()
    partition(machine("two")).table()
    partition(machine("one")).table()
    assert [method for method, *_ in s3.requests] == ["GET", "GET"]  # listings
    assert s3.count("GET", "list-type") == 2


def test_a_manifest_is_put_where_none_is_and_the_first_wins(machine, s3):
    one, two = partition(machine("one")), partition(machine("two"))
    ours = two.write_table("part-0.parquet", pa.table({"id": ["x"]}))  # other bytes under the same key
    won = []

    def meanwhile(method, path):
        if method == "PUT" and path.endswith(MANIFEST) and not won:
            won.append(None)
            won.append(publish(machine("one")))

    s3.before.append(meanwhile)
    manifest = two.publish([ours], payload=PAYLOAD)
    assert manifest == won[1]
    assert two.table() == one.table() == TABLE
    assert len(objects(machine())) == 3  # both parts: neither was written over the other
    assert sweep(machine("two"), timedelta(0))[-1].endswith(f"{ours.sha256[:12]}/part-0.parquet")
    assert two.table() == TABLE


def test_a_manifest_whose_answer_was_lost_is_published_once(machine, s3):
    one, lost = partition(machine()), []
    put = one.store.bucket.put

    def without_answer(*given, **conditions):
        lost.append(put(*given, **conditions))
        return None if len(lost) == 1 else lost[-1]

    one.store.bucket.put = without_answer
    assert publish(machine()) == one.manifest()
    assert len(lost) == 1


def test_parts_of_another_machine_are_finished(machine):
    one, two = partition(machine("one")), partition(machine("two"))
    entries = [one.write_table(f"part-{n}.parquet", TABLE) for n in range(2)]
    assert two.store.names(two.path) == {"part-0.parquet", "part-1.parquet"}
    assert [two.finished(entry.name) for entry in entries] == entries
    assert two.finished("part-2.parquet") is None
    manifest = two.publish([*entries, two.write_bytes("weights.safetensors", b"12")], payload=PAYLOAD)
    assert manifest.rows == 4
    assert len(one.table()) == 4
    assert one.file("weights.safetensors").read_bytes() == b"12"


@pytest.mark.parametrize("how", ["changed", "shorter", "removed"])
def test_an_object_that_is_not_as_it_was_published_is_damage(machine, how):
    (part,) = publish(machine("one")).files
    two = partition(machine("two"))
    bucket, key = open_bucket(machine().url), next(key for key in objects(machine()) if key.endswith(part.name))
    data = bytearray(bucket.get(key).data)
    data[len(data) // 2] ^= 1
    if how == "removed":
        bucket.delete([key])
    else:
        bucket.put(key, bytes(data[:-1] if how == "shorter" else data))
    with pytest.raises(CorruptPartition) as raised:
        two.table()
    folder = f"{two.store.home}/lake/states/model=tiny/split=test/key={two.key[:12]}"
    assert str(raised.value).startswith(f"{folder}/{part.sha256[:12]}/part-0.parquet is damaged (")
    assert str(raised.value).endswith(f"remove the folder {folder}; the next run computes it again")
    assert not (two.path / part.name).exists()
    assert two.published is (how == "changed")  # seen by its size only
    (seen,) = verify(machine("two"))
    assert len(seen.faults) == 1
    assert verification_summary([seen]).endswith("1 damaged or missing")
    assert partition(machine("one")).table() == TABLE  # a checked copy stays what was published


def test_a_damaged_partition_is_published_again(machine):
    publish(machine("one"))
    bucket = open_bucket(machine().url)
    bucket.delete(key for key in objects(machine()) if key.endswith(".parquet"))
    assert not partition(machine("two")).published
    publish(machine("two"))
    assert partition(machine("two")).published
    assert partition(machine("one")).table() == TABLE


def test_a_manifest_that_was_changed_is_damage(machine):
    publish(machine("one"))
    bucket, key = open_bucket(machine().url), next(key for key in objects(machine()) if key.endswith(MANIFEST))
    bucket.put(key, bucket.get(key).data.replace(b"tiny", b"tony"))
    with pytest.raises(CorruptPartition, match=rf"s3://.*{MANIFEST} is no manifest"):
        partition(machine("two")).table()
    publish(machine("two"))
    assert partition(machine("one")).table() == TABLE


def test_a_partition_that_is_removed_for_one_is_removed_for_all(machine):
    publish(machine("one"))
    assert partition(machine("two")).published
    open_bucket(machine().url).delete(objects(machine()))
    assert not partition(machine("one")).published
    assert not partition(machine("two")).published
    with pytest.raises(NotPublished):
        partition(machine("one")).table()


def test_what_fails_a_check_counts_as_never_written(machine):
    with pytest.raises(CheckFailed):
        publish(machine("one"), checks=[FAILED])
    two = partition(machine("two"))
    assert two.manifest(REJECTED).checks == [FAILED]
    assert not two.published
    assert two.finished("part-0.parquet") is None
    assert (partition(machine("one")).path / "part-0.parquet").exists()  # to be looked at
    publish(machine("two"))
    assert partition(machine("one")).manifest(REJECTED) is None
    assert partition(machine("one")).published


def test_nothing_that_is_young_published_or_being_computed_is_swept(machine):
    publish(machine("one"))
    partition(machine("one"), {"step": "half"}).write_table("part-0.parquet", TABLE)
    before = objects(machine())
    assert sweep(machine("two"), timedelta(hours=1)) == []
    held = partition(machine("two"), {"step": "half"})
    with held.store.acquire(held.path.parent / "lease", 0):
        pass
    assert objects(machine()) == before
    removed = sweep(machine("two"), timedelta(0))
    assert [path.rpartition("/")[2] for path in removed] == ["part-0.parquet"]
    assert partition(machine("one")).published


def test_what_is_taken_up_while_objects_are_swept_stays(machine, s3):
    """Old shards of a killed run: another machine begins after the first look at them, and publishes them."""
    partition(machine("one"), {"step": "half"}).write_table("part-0.parquet", TABLE)
    store = partition(machine("two"), {"step": "half"}).store
    began = []

    def begin(method, address):
        if method == "PUT" and "lease" in address and not began:
            began.append(address)
            publish(machine("three"), payload={"step": "half"})

    s3.before.append(begin)
    removed = store.sweep(timedelta(0))
    assert began, "it takes the lease before it removes anything"
    assert [path for path in removed if path.endswith(".parquet")] == []
    assert partition(machine("four"), {"step": "half"}).table() == TABLE


def test_uploads_of_who_computes_are_not_ended(machine):
    one = partition(machine("one"), {"step": "half"})
    store = one.store
    bucket, key = store.bucket, store._key(one.path / "part-0.parquet")
    upload = {"Bucket": bucket._name, "Key": bucket._prefix + key}
    bucket._client.create_multipart_upload(**upload)
    with lease(lease_of(one.path), by=store):
        assert store.sweep(timedelta(seconds=-5)) == []
    assert [path.rpartition("/")[2] for path in store.sweep(timedelta(seconds=-5))] == ["part-0.parquet"]


def test_a_damaged_copy_is_removed_and_fetched_anew(machine):
    publish(machine("one"))
    one = partition(machine("one"))
    part = one.path / "part-0.parquet"
    content = bytearray(part.read_bytes())
    for at in range(20, 120, 5):  # pages, and not the footer
        content[at] ^= 1
    part.write_bytes(content)
    with pytest.raises(CorruptPartition, match=r"is damaged .* and was removed: run the same command again"):
        one.table()
    assert one.table() == TABLE


def test_copies_that_nothing_reads_are_removed_and_fetched_again(machine):
    publish(machine("one"))
    one = partition(machine("one"))
    part, size = one.path / "part-0.parquet", (one.path / "part-0.parquet").stat().st_size
    assert sweep_copies(machine("one"), timedelta(days=1)) == []
    os.utime(part, (0, 0))
    assert sweep_copies(machine("one"), timedelta(days=1)) == [(part, size)]
    assert not part.exists()
    assert one.published
    assert one.table() == TABLE
    half = partition(machine("one"), {"step": "half"})
    half.write_table("part-0.parquet", TABLE)
    os.utime(half.path / "part-0.parquet", (0, 0))
    assert sweep_copies(machine("one"), timedelta(days=1)) == []


def test_a_kill_in_the_middle_of_an_upload_costs_that_upload_only(machine, s3, tmp_path):
    code = f"""
import warehouse.lake.bucket as module, pyarrow as pa, numpy as np
from pathlib import Path
from warehouse.home import Home
from tests.warehouse.lake.test_mirror import partition
module.BLOCK = {5 * 2**20}
table = pa.table({{"value": np.random.default_rng(0).random(2_000_000)}})
one = partition(Home(Path({str(machine().root)!r}), {machine().url!r}))
known = one.finished("part-0.parquet")
print("known" if known else "written", flush=True)
entry = known or one.write_table("part-0.parquet", table)
one.publish([entry], payload={PAYLOAD!r})
"""
    waiting = []

    def hold(method, path):
        if "partNumber=2" in path:
            waiting.append(path)
            time.sleep(2)

    s3.before.append(hold)
    command, where = [sys.executable, "-c", code], {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    first = subprocess.Popen(command, stdout=subprocess.PIPE, **where)
    while not waiting:
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    s3.before.clear()
    assert objects(machine()) == []  # an upload is there whole, or not at all
    again = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    assert again.stdout == b"known\n"  # its file is whole on this machine: it is not computed again
    assert len(partition(machine("two")).table()) == 2_000_000
    assert (
        len(open_bucket(machine().url).abort_uploads("lake/", time.time() + 60, lambda key: False)) == 1
    )  # what `gc` sweeps in time
