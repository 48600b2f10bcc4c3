"""Objects of Google's and Microsoft's stores over real connections: conditions, streams, leases, and errors."""

import hashlib
import os
import platform
import threading
import time
import tracemalloc
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("obstore", reason="pip install 'vocabsem[gs]'")

from tests.clouds import KEY, STORES, TOKEN
from warehouse.errors import CorruptPartition, StoreUnavailable, WriterBusy
from warehouse.home import Home
from warehouse.lake import bucket as module
from warehouse.lake import object_lease
from warehouse.lake.bucket import content_of, open_bucket, sha256_of
from warehouse.lake.gc import sweep
from warehouse.lake.keys import partition_key
from warehouse.lake.lease import lease
from warehouse.lake.partition import Lake
from warehouse.lake.store import store_of
from warehouse.lake.vectors import vectors
from warehouse.lake.verify import verification_summary, verify

pytestmark = pytest.mark.medium
PAYLOAD = {"step": "test"}


@pytest.fixture(scope="module", params=STORES)
def started(request):
    with STORES[request.param]() as (store, environment, address):
        yield store, environment, address


@pytest.fixture
def cloud(started, monkeypatch):
    """A store that refuses nothing, as Store and address."""
    store, environment, address = started
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store.reset()
    yield store, address
    store.reset()


@pytest.fixture
def bucket(cloud):
    return open_bucket(f"{cloud[1]}/{uuid4().hex}")


@pytest.fixture
def machine(cloud, tmp_path):
    url = f"{cloud[1]}/{uuid4().hex}/home"
    return lambda name="one": Home(tmp_path / name, url)


def partition(home):
    return Lake(home).partition("states", partition_key(PAYLOAD), model="tiny", split="test")


def publish(home, table):
    one = partition(home)
    return one.publish([one.write_table("part-0.parquet", table)], payload=PAYLOAD)


def test_an_object_is_written_where_none_is_and_replaced_only_where_it_is_the_same(bucket):
    assert bucket.get("a/b") is None
    first = bucket.put("a/b", b"one", absent=True)
    assert bucket.put("a/b", b"two", absent=True) is None
    assert bucket.put("a/b", b"two", replacing="1" if first.isdecimal() else '"0"') is None
    assert bucket.put("none", b"two", replacing=first) is None
    second = bucket.put("a/b", b"two", replacing=first)
    assert second == bucket.etag("a/b") != first
    assert bucket.put("a/b", b"three", replacing=first) is None
    content = bucket.get("a/b")
    assert (content.data, content.etag) == (b"two", second)
    assert -2 < content.age < 60
    bucket.delete(["a/b", "never-there"])
    assert bucket.get("a/b") is bucket.etag("a/b") is bucket.metadata("a/b") is None
    with pytest.raises(FileNotFoundError):
        list(bucket.blocks("a/b"))


def test_one_of_many_writers_is_first(bucket):
    etags = []
    threads = [
        threading.Thread(target=lambda n=n: etags.append(bucket.put("one", str(n).encode(), absent=True)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [etag for etag in etags if etag] == [bucket.etag("one")]


def test_a_listing_has_every_object_below_a_prefix(bucket):
    keys = ["lake/a=1/key=0/part-0.parquet", "lake/a=1/key=0/x.json", "lake/b/y", "lakes/z", "other"]
    for key in keys:
        bucket.put(key, key.encode())
    assert [(each.key, each.size) for each in bucket.list("")] == [(key, len(key)) for key in keys]
    listed = list(bucket.list("lake/"))
    assert [each.key for each in listed] == keys[:3]
    assert all(abs(each.modified - bucket.now()) < 60 for each in listed)
    assert list(bucket.list("nothing/")) == []
    before = {each.key: each.etag for each in listed}
    bucket.put("lake/b/y", b"other bytes")
    assert [each.key for each in bucket.list("lake/") if each.etag != before[each.key]] == ["lake/b/y"]


def test_files_stream_by_blocks(bucket, cloud, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block := 5 * 2**20)  # Google takes no smaller ones
    data = bytes(range(256)) * (3 * block // 256) + b"the rest"
    (tmp_path / "file").write_bytes(data)
    bucket.upload("file", tmp_path / "file", {"rows": "7", "sha256": "ab"})
    sent = [size for method, path, size, _ in cloud[0].requests if method == "PUT" and size > 1000]
    assert sent == [block, block, block]  # and one of 8 bytes
    assert bucket.metadata("file") == {"rows": "7", "sha256": "ab"}
    tracemalloc.start()
    assert sha256_of(bucket.blocks("file")) == hashlib.sha256(data).hexdigest()
    tracemalloc.stop()
    (tmp_path / "small").write_bytes(b"1234")
    bucket.upload("small", tmp_path / "small", {"rows": "1"})
    assert bucket.metadata("small") == {"rows": "1"}
    assert b"".join(bucket.blocks("file", 250, 260)) == data[250:260]
    assert b"".join(bucket.blocks("file", len(data) - 3)) == data[-3:]
    with pytest.raises(FileNotFoundError):
        list(bucket.blocks("small", 5, 9))


def test_an_upload_that_fails_leaves_no_object(bucket, cloud, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block := 5 * 2**20)
    (tmp_path / "file").write_bytes(bytes(2 * block))
    cloud[0].refuse("PUT", "partNumber=2|blockid", 403, "AccessDenied")
    with pytest.raises(StoreUnavailable, match="access is denied"):
        bucket.upload("file", tmp_path / "file", {})
    assert bucket.etag("file") is None
    assert bucket.abort_uploads("", bucket.now() + 60, lambda key: False) == []


@pytest.mark.parametrize(("status", "code"), [(503, "ServerBusy"), (500, "InternalError")])
def test_what_is_refused_for_a_moment_is_repeated(bucket, cloud, status, code):
    cloud[0].refuse("PUT", "object$", status, code, times=2)
    cloud[0].refuse("GET", "object$", status, code, times=1)
    assert bucket.put("object", b"here", absent=True)
    assert bucket.get("object").data == b"here"
    assert (cloud[0].count("PUT", "object$"), cloud[0].count("GET", "object$")) == (3, 2)


def test_a_lease_has_one_holder_and_is_taken_over_from_the_dead(machine, monkeypatch):
    one, two = machine("one"), machine("two")
    with lease(one.root / "work", by=store_of(one).leases):
        owner = f"pid {os.getpid()} on {platform.node()}"
        with (
            pytest.raises(WriterBusy, match=f"is held by {owner}: waited 0.1 s"),
            lease(two.root / "work", timeout=0.1, by=store_of(two).leases),
        ):
            pass
    bucket = open_bucket(one.url)
    assert list(bucket.list("")) == []  # it is given back
    monkeypatch.setattr(object_lease, "SECONDS", 1.0)
    bucket.put("work", b'{"process": "elsewhere@1 7 0", "token": ""}')
    time.sleep(2.5)
    with lease(two.root / "work", timeout=5, by=store_of(two).leases):
        assert store_of(one).leases.owner(one.root / "work") == owner


def test_a_lease_that_another_writer_took_is_not_taken_back(machine, monkeypatch):
    monkeypatch.setattr(object_lease, "BEAT", 0.2)
    home = machine()
    bucket = open_bucket(home.url)
    with lease(home.root / "work", by=store_of(home).leases):
        theirs = bucket.put("work", b"theirs")
        time.sleep(0.6)
        assert bucket.etag("work") == theirs
    assert bucket.get("work").data == b"theirs"


def test_what_one_machine_publishes_another_reads_checked(machine, cloud, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 5 * 2**20)
    values = np.random.default_rng(0).normal(size=(8000, 256)).astype(np.float32)
    table = pa.table({"id": [str(n) for n in range(8000)], "layer_1": vectors(values)})
    one, two, three = (partition(machine(name)) for name in ("one", "two", "three"))
    manifest = publish(machine("one"), table)
    assert manifest.files[0].bytes > 5 * 2**20  # in more than one block
    assert two.published
    assert two.manifest() == manifest
    assert two.table(["layer_1"]) == table.select(["layer_1"]) == one.table(["layer_1"])
    assert publish(machine("two"), table.slice(1)) == manifest  # the first is kept
    assert verification_summary(list(verify(machine("two")))).endswith("all as published")
    bucket = open_bucket(machine().url)
    bucket.put("lake/lost/key=0/part-0.parquet", b"rows")
    assert sweep(machine(), timedelta(seconds=-2))[-1:] == [f"{machine()}/lake/lost/key=0/part-0.parquet"]
    (part,) = [each.key for each in bucket.list("lake/") if each.key.endswith(".parquet")]
    data = bytearray(b"".join(bucket.blocks(part)))
    data[1000] ^= 1
    bucket.put(part, bytes(data))
    with pytest.raises(CorruptPartition, match="is damaged"):
        three.table()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", "access is denied (list): let these credentials list, read, write and delete there"),
        (401, "ExpiredToken", "credentials expired (list): get new ones"),
        (403, "AuthenticationFailed", "credentials are wrong (list): give those of the"),
        (403, "RequestTimeTooSkewed", "this machine's clock and the store's are apart (list): set the clock"),
        (503, "ServerBusy", "it refuses requests, repeated ones too (list): run the same command later"),
        (418, "Teapot", "it answers Teapot (list): give those"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_named_in_one_line_with_a_fix(cloud, status, code, expected):
    store, address = cloud
    store.refuse("GET", "list", status, code)
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket(f"{address}/prefix")
    _check_message(raised, f"{address}/prefix cannot be used: {expected}")


def test_a_bucket_that_is_not_there_is_named(cloud):
    url = f"{cloud[1]}-of-nobody/prefix"
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket(url)
    _check_message(raised, f"{url} cannot be used: there is no such bucket (list): create it")


@pytest.mark.parametrize("variable", ["GOOGLE_BASE_URL", "AZURE_STORAGE_ENDPOINT"])
def test_an_endpoint_that_does_not_answer_is_named(cloud, monkeypatch, variable):
    if variable not in os.environ:
        pytest.skip("of another store")
    monkeypatch.setenv(variable, "http://127.0.0.1:9/x")
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket(cloud[1])
    _check_message(raised, f"{cloud[1]} cannot be used: its store does not answer (list): look at the network, and at")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("GOOGLE_BEARER_TOKEN", "our-other-secret", "credentials are wrong (list)"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/our-secret", "no credentials could be read or obtained (list)"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "our-secret", "no credentials could be read or obtained (list)"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "b3VyLXNlY3JldA==", "access is denied (list)"),
    ],
)
def test_credentials_that_do_not_serve_are_named(cloud, monkeypatch, variable, value, expected):
    if ("GOOGLE" in variable) != cloud[1].startswith("gs"):
        pytest.skip("of another store")
    monkeypatch.delenv("GOOGLE_BEARER_TOKEN", raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket(cloud[1])
    _check_message(raised, f"{cloud[1]} cannot be used: {expected}")


def test_the_content_of_an_address_is_empty_where_it_cannot_be_read(bucket, cloud):
    bucket.put("check", b"1234")
    assert content_of(f"{bucket.url}/check") == "1234"
    assert content_of(f"{bucket.url}/other") == ""
    cloud[0].refuse("GET", "", 403, "AccessDenied")
    assert content_of(f"{bucket.url}/check") == ""


def _check_message(raised, start):
    message = str(raised.value)
    assert message.startswith(start)
    assert "\n" not in message
    for secret in ("secret", TOKEN, KEY, "b3VyLXNlY3JldA"):
        assert secret not in message
    assert raised.value.exit_code == 2
