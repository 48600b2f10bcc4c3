"""Objects of a bucket: read, listed, deleted, put on a condition; files stream up and down by blocks.

Credentials, region and endpoint are those of AWS's variables and profiles. What the store refuses for a moment (503,
lost connections) is repeated by its client, with pauses that grow.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as LostConnection

from warehouse.errors import StoreUnavailable

T = TypeVar("T")
BLOCK = 8 * 2**20  # bytes of a request, more where an object would have over MOST_BLOCKS
MOST_BLOCKS = 10_000
ATTEMPTS = 8  # of a request, over about a minute
ANSWER_SECONDS = 5
ABSENT = {"NoSuchKey", "NotFound", "404", "NoSuchUpload"}
LOST = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_NEW = "get new ones"
_OURS = "give those of the bucket by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_REGION = ("the bucket lies in another region", "set AWS_REGION")
_LATER = ("it refuses requests, repeated ones too", "run the same command later; what is finished is kept")
_FAULTS = {
    "NoSuchBucket": ("there is no such bucket", "create it, or choose another home with --home or VOCABSEM_HOME"),
    "AccessDenied": ("access is denied", "let these credentials list, read, write and delete there"),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), ("credentials expired", _NEW)),
    **dict.fromkeys(("InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"), ("credentials are wrong", _OURS)),
    "RequestTimeTooSkewed": ("this machine's clock and the store's are apart", "set the clock"),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "301"), _REGION),
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "InternalError", "500", "503"), _LATER),
}


@dataclass(frozen=True)
class Stored:
    """An object as a listing has it."""

    key: str
    size: int
    etag: str
    modified: float
    """Seconds since 1970, by the store's clock."""


@dataclass(frozen=True)
class Content:
    """A small object."""

    data: bytes
    etag: str
    age: float
    """Seconds since it was written, both by the store's clock."""


class Bucket:
    """The objects below `s3://bucket/prefix`; keys are relative to it. Threads may share one.

    Where the bucket cannot be used every method raises StoreUnavailable, in one line that holds no credentials.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._name, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        with self._translated():
            session = boto3.Session()
            with closing(session.client("s3", config=_config(attempts=2))) as quick:
                quick.list_objects_v2(Bucket=self._name, Prefix=self._prefix, MaxKeys=1)
            self._client: Any = session.client("s3", config=_config(ATTEMPTS))

    def get(self, key: str) -> Content | None:
        """Return a small object, None if there is none."""

        def content() -> Content:
            answer = self._client.get_object(**self._at(key))
            with closing(answer["Body"]) as body:
                return Content(body.read(), answer["ETag"], _seconds(answer) - answer["LastModified"].timestamp())

        return self._unless(ABSENT, content)

    def metadata(self, key: str) -> Mapping[str, str] | None:
        """Return what is stored beside an object, None if there is none."""
        return self._unless(ABSENT, lambda: self._client.head_object(**self._at(key))["Metadata"])

    def now(self) -> float:
        """Return the time, by the store's clock, in seconds since 1970."""
        with self._translated():
            return _seconds(self._client.head_bucket(Bucket=self._name))

    def etag(self, key: str) -> str | None:
        """Return an object's ETag, None if there is none."""
        return self._unless(ABSENT, lambda: self._client.head_object(**self._at(key))["ETag"])

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield an object's bytes, by blocks; raises FileNotFoundError if there is none.

        A lost connection is resumed from there, as long as the object is the same.
        """
        at, etag, lost = 0, "", 0
        while True:
            more: dict[str, str] = {"Range": f"bytes={at}-", "IfMatch": etag} if etag else {}
            with self._translated():
                try:
                    answer = self._client.get_object(**self._at(key), **more)
                    etag = answer["ETag"]
                    with closing(answer["Body"]) as body:
                        for block in body.iter_chunks(BLOCK):
                            at += len(block)
                            yield block
                    return
                except ClientError as error:
                    if _code(error) in ABSENT | LOST:
                        raise FileNotFoundError(key) from None
                    raise
                except (ResponseStreamingError, IncompleteReadError, ReadTimeoutError):
                    if (lost := lost + 1) == ATTEMPTS:
                        raise

    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects below a prefix, in the order of their keys."""
        with self._translated():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=self._prefix + prefix
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    key = each["Key"].removeprefix(self._prefix)
                    yield Stored(key, each["Size"], each["ETag"], each["LastModified"].timestamp())

    def put(self, key: str, data: bytes, *, absent: bool = False, replacing: str | None = None) -> str | None:
        """Write a small object at once. Returns its ETag, None where a condition does not hold.

        absent: that there is no such object. replacing: that it has this ETag.
        """
        conditions = {"IfNoneMatch": "*"} if absent else {"IfMatch": replacing} if replacing else {}
        written = {**self._at(key), "Body": data, **conditions}
        return self._unless(LOST | ABSENT, lambda: self._client.put_object(**written)["ETag"])

    def upload(self, key: str, path: Path, metadata: Mapping[str, str]) -> None:
        """Write a file as an object, a block of it in memory at a time; the object is there when all of it is."""
        size = path.stat().st_size
        block = max(BLOCK, -(-size // MOST_BLOCKS))
        with self._translated(), path.open("rb") as file:
            if size <= block:
                self._client.put_object(**self._at(key), Body=file, Metadata=metadata)
                return
            upload = {
                **self._at(key),
                "UploadId": self._client.create_multipart_upload(**self._at(key), Metadata=metadata)["UploadId"],
            }
            try:
                parts = []
                for number in range(1, -(-size // block) + 1):
                    etag = self._client.upload_part(**upload, PartNumber=number, Body=file.read(block))["ETag"]
                    parts.append({"PartNumber": number, "ETag": etag})
                self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
            except BaseException:
                self._unless(ABSENT, partial(self._client.abort_multipart_upload, **upload))
                raise

    def delete(self, keys: Iterable[str]) -> None:
        with self._translated():
            for key in keys:
                self._client.delete_object(**self._at(key))

    def abort_uploads(self, prefix: str, before: float, busy: Callable[[str], bool]) -> Sequence[str]:
        """Remove what uploads that began before this time, and never ended, have left, but for busy keys. Returns the
        others' keys."""
        aborted = []
        with self._translated():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._name, Prefix=self._prefix + prefix
            )
            for each in (each for page in pages for each in page.get("Uploads", ())):
                if each["Initiated"].timestamp() < before and not busy(each["Key"].removeprefix(self._prefix)):
                    upload = {"Bucket": self._name, "Key": each["Key"], "UploadId": each["UploadId"]}
                    self._unless(ABSENT, partial(self._client.abort_multipart_upload, **upload))
                    aborted.append(each["Key"].removeprefix(self._prefix))
        return aborted

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._name, "Key": self._prefix + key}

    def _unless(self, codes: set[str], request: Callable[[], T]) -> T | None:
        """Return what a request returns, None where the store answers with one of these codes."""
        with self._translated():
            try:
                return request()
            except ClientError as error:
                if _code(error) in codes:
                    return None
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the client's errors into StoreUnavailable: what is wrong, and the fix."""
        try:
            yield
        except ClientError as error:
            code = _code(error)
            fault, fix = _FAULTS.get(code, (f"it answers {code or 'without a reason'}", _OURS))
            raise StoreUnavailable(f"{self.url} cannot be used: {fault} ({error.operation_name}): {fix}") from None
        except (NoCredentialsError, PartialCredentialsError):
            raise StoreUnavailable(f"{self.url} cannot be used: there are no credentials: {_OURS}") from None
        except (LostConnection, HTTPClientError) as error:
            raise StoreUnavailable(
                f"{self.url} cannot be used: its store does not answer ({type(error).__name__}): look at the network,"
                " and at AWS_ENDPOINT_URL if it is set"
            ) from None
        except BotoCoreError as error:  # of profiles, of single sign-on
            raise StoreUnavailable(f"{self.url} cannot be used: {error}: {_OURS}") from None


def content_of(address: str) -> str:
    """Return the text of a small object; empty where it cannot be read."""
    url, _, key = address.rpartition("/")
    try:
        content = Bucket(url).get(key)
    except StoreUnavailable:
        return ""
    return content.data.decode() if content else ""


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _config(attempts: int) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=ANSWER_SECONDS,
        read_timeout=60 if attempts > 2 else ANSWER_SECONDS,
        max_pool_connections=32,
    )


def _seconds(answer: Mapping[str, Any]) -> float:
    """Return the time of an answer, by the store's clock."""
    stated = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return (parsedate_to_datetime(stated) if stated else datetime.now(UTC)).timestamp()


def sha256_of(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
