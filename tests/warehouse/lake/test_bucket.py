"""Objects of a bucket over real connections: conditions, streams, what is refused, and the errors that users see."""

import hashlib
import tracemalloc

import pytest

from tests.s3 import BUCKET
from warehouse.errors import StoreUnavailable
from warehouse.lake import bucket as module
from warehouse.lake.bucket import content_of, open_bucket, sha256_of

pytestmark = pytest.mark.medium


@pytest.fixture
def bucket(machine):
    return open_bucket(machine().url)


def test_an_object_is_written_where_none_is_and_replaced_only_where_it_is_the_same(bucket):
    assert bucket.get("a/b") is None
    first = bucket.put("a/b", b"one", absent=True)
    assert bucket.put("a/b", b"two", absent=True) is None
    assert bucket.put("a/b", b"two", replacing='"0"') is None
    assert bucket.put("none", b"two", replacing=first) is None
    second = bucket.put("a/b", b"two", replacing=first)
    assert second == f'"{hashlib.md5(b"two").hexdigest()}"' == bucket.etag("a/b")
    content = bucket.get("a/b")
    assert (content.data, content.etag) == (b"two", second)
    assert -2 < content.age < 60
    bucket.delete(["a/b", "never-there"])
    assert bucket.get("a/b") is bucket.etag("a/b") is bucket.metadata("a/b") is None
    with pytest.raises(FileNotFoundError):
        list(bucket.blocks("a/b"))


def test_a_listing_has_every_object_below_a_prefix(bucket, s3):
    keys = sorted(f"lake/{number:04d}" for number in range(1003))  # a page has 1000
    for key in [*keys, "other"]:
        s3.store(f"{bucket.url}/{key}", key.encode())
    listed = list(bucket.list("lake/"))
    assert [each.key for each in listed] == keys
    assert {each.size for each in listed} == {9}
    assert listed[5].etag == bucket.etag(keys[5])
    assert s3.count("GET", "list-type=2&prefix=[^&]*lake") == 2


def test_files_stream_by_blocks(bucket, s3, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block := 5 * 2**20)  # S3 takes no smaller ones
    data = bytes(range(256)) * (3 * block // 256) + b"the rest"
    (tmp_path / "file").write_bytes(data)
    tracemalloc.start()
    bucket.upload("file", tmp_path / "file", {"rows": "7"})
    assert (
        tracemalloc.get_traced_memory()[1] < 40 * block
    )  # of moto's copies, the gate's and ours: they share a process
    tracemalloc.stop()
    assert [sent for method, path, sent, _ in s3.requests if "partNumber" in path] == [block, block, block, 8]
    assert bucket.metadata("file") == {"rows": "7"}
    assert sha256_of(bucket.blocks("file")) == hashlib.sha256(data).hexdigest()


def test_an_upload_that_fails_leaves_nothing_and_one_that_was_killed_is_swept(bucket, s3, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block := 5 * 2**20)
    (tmp_path / "file").write_bytes(bytes(block + 1))
    s3.refuse("PUT", "partNumber=2", 403, "AccessDenied")
    with pytest.raises(StoreUnavailable, match="access is denied"):
        bucket.upload("file", tmp_path / "file", {})
    assert bucket.etag("file") is None
    assert bucket.abort_uploads("", bucket.now() + 60, lambda key: False) == []
    s3.refuse("DELETE", "uploadId", 204, "")  # as if the process had been killed before
    with pytest.raises(StoreUnavailable):
        bucket.upload("file", tmp_path / "file", {})
    s3.rules.clear()
    assert bucket.abort_uploads("", 0, lambda key: False) == []  # young
    assert bucket.abort_uploads("", bucket.now() + 60, lambda key: False) == ["file"]
    assert bucket.abort_uploads("", bucket.now() + 60, lambda key: False) == []


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError")])
def test_what_is_refused_for_a_moment_is_repeated(bucket, s3, status, code):
    s3.refuse("PUT", "/object$", status, code, times=2)
    s3.refuse("GET", "/object$", status, code, times=1)
    assert bucket.put("object", b"here", absent=True)
    assert bucket.get("object").data == b"here"
    assert (s3.count("PUT", "/object$"), s3.count("GET", "/object$")) == (3, 2)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", "access is denied (ListObjectsV2): let these credentials list, read, write and delete"),
        (400, "ExpiredToken", "credentials expired (ListObjectsV2): get new ones"),
        (403, "InvalidAccessKeyId", "credentials are wrong"),
        (403, "SignatureDoesNotMatch", "credentials are wrong"),
        (403, "RequestTimeTooSkewed", "this machine's clock and the store's are apart (ListObjectsV2): set the clock"),
        (301, "PermanentRedirect", "the bucket lies in another region (ListObjectsV2): set AWS_REGION"),
        (503, "SlowDown", "it refuses requests, repeated ones too (ListObjectsV2): run the same command later"),
        (418, "Teapot", "it answers Teapot"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_named_in_one_line_with_a_fix(s3, status, code, expected):
    s3.refuse("GET", "list-type", status, code)
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket(f"s3://{BUCKET}/prefix")
    _check_message(raised, f"s3://{BUCKET}/prefix cannot be used: {expected}")


def test_a_bucket_that_is_not_there_is_named(s3):
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket("s3://nobody-has-it/prefix")
    _check_message(raised, "s3://nobody-has-it/prefix cannot be used: there is no such bucket (ListObjectsV2): create")


def test_an_endpoint_that_does_not_answer_is_named(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket("s3://abc")
    _check_message(
        raised, "s3://abc cannot be used: its store does not answer (EndpointConnectionError): look at the network"
    )


@pytest.mark.parametrize("lost", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_missing_credentials_are_named(s3, monkeypatch, tmp_path, lost):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    if lost == "AWS_ACCESS_KEY_ID":
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket("s3://abc")
    _check_message(raised, "s3://abc cannot be used: ")


def test_an_unknown_profile_is_named(s3, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreUnavailable) as raised:
        open_bucket("s3://abc")
    _check_message(raised, "s3://abc cannot be used: The config profile (nobody) could not be found")


def test_the_content_of_an_address_is_empty_where_it_cannot_be_read(bucket, s3):
    bucket.put("check", b"1234")
    assert content_of(f"{bucket.url}/check") == "1234"
    assert content_of(f"{bucket.url}/other") == ""
    s3.refuse("GET", "", 403, "AccessDenied")
    assert content_of(f"{bucket.url}/check") == ""


def _check_message(raised, start):
    message = str(raised.value)
    assert message.startswith(start)
    assert "\n" not in message
    assert "our-secret" not in message
    assert "our-key" not in message
    assert raised.value.exit_code == 2
