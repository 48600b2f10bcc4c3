"""Buckets of S3, by boto3: credentials, region and endpoint are those of AWS's variables and profiles."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
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

from warehouse.lake import bucket
from warehouse.lake.bucket import (
    ANSWER_SECONDS,
    ATTEMPTS,
    DENIED,
    EXPIRED,
    LATER,
    MOST_BLOCKS,
    NO_BUCKET,
    SKEWED,
    SLOW_SECONDS,
    Content,
    Stored,
    unusable,
)

T = TypeVar("T")
ABSENT = {"NoSuchKey", "NotFound", "404", "NoSuchUpload"}
LOST = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
SHORTER = {"InvalidRange", "416"}
_OURS = "give those of the bucket by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_REGION = ("the bucket lies in another region", "set AWS_REGION")
_FAULTS = {
    "NoSuchBucket": NO_BUCKET,
    "AccessDenied": DENIED,
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), EXPIRED),
    **dict.fromkeys(("InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"), ("credentials are wrong", _OURS)),
    "RequestTimeTooSkewed": SKEWED,
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "301"), _REGION),
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "InternalError", "500", "503"), LATER),
}


class S3Bucket:
    """The objects below `s3://bucket/prefix`, as a Bucket."""

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
        def content() -> Content:
            answer = self._client.get_object(**self._at(key))
            with closing(answer["Body"]) as body:
                return Content(body.read(), answer["ETag"], _seconds(answer) - answer["LastModified"].timestamp())

        return self._unless(ABSENT, content)

    def metadata(self, key: str) -> Mapping[str, str] | None:
        return self._unless(ABSENT, lambda: self._client.head_object(**self._at(key))["Metadata"])

    def now(self) -> float:
        with self._translated():
            return _seconds(self._client.head_bucket(Bucket=self._name))

    def etag(self, key: str) -> str | None:
        return self._unless(ABSENT, lambda: self._client.head_object(**self._at(key))["ETag"])

    def blocks(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        at, etag, lost = start, "", 0
        while True:
            more: dict[str, str] = {"IfMatch": etag} if etag else {}
            if at or stop is not None:
                more["Range"] = f"bytes={at}-{'' if stop is None else stop - 1}"
            with self._translated():
                try:
                    answer = self._client.get_object(**self._at(key), **more)
                    etag = answer["ETag"]
                    with closing(answer["Body"]) as body:
                        for block in body.iter_chunks(bucket.BLOCK):
                            at += len(block)
                            yield block
                    return
                except ClientError as error:
                    if _code(error) in ABSENT | LOST | SHORTER:
                        raise FileNotFoundError(key) from None
                    raise
                except (ResponseStreamingError, IncompleteReadError, ReadTimeoutError):
                    if (lost := lost + 1) == ATTEMPTS:
                        raise

    def list(self, prefix: str) -> Iterator[Stored]:
        with self._translated():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=self._prefix + prefix
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    key = each["Key"].removeprefix(self._prefix)
                    yield Stored(key, each["Size"], each["ETag"], each["LastModified"].timestamp())

    def put(self, key: str, data: bytes, *, absent: bool = False, replacing: str | None = None) -> str | None:
        conditions = {"IfNoneMatch": "*"} if absent else {"IfMatch": replacing} if replacing else {}
        written = {**self._at(key), "Body": data, **conditions}
        return self._unless(LOST | ABSENT, lambda: self._client.put_object(**written)["ETag"])

    def upload(self, key: str, path: Path, metadata: Mapping[str, str]) -> None:
        size = path.stat().st_size
        block = max(bucket.BLOCK, -(-size // MOST_BLOCKS))
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
            raise unusable(self.url, fault, error.operation_name, fix) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise unusable(self.url, "there are no credentials", "", _OURS) from None
        except (LostConnection, HTTPClientError) as error:
            fix = "look at the network, and at AWS_ENDPOINT_URL if it is set"
            raise unusable(self.url, "its store does not answer", type(error).__name__, fix) from None
        except BotoCoreError as error:  # of profiles, of single sign-on
            raise unusable(self.url, str(error), "", _OURS) from None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _config(attempts: int) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=ANSWER_SECONDS,
        read_timeout=SLOW_SECONDS if attempts > 2 else ANSWER_SECONDS,
        max_pool_connections=32,
    )


def _seconds(answer: Mapping[str, Any]) -> float:
    """Return the time of an answer, by the store's clock."""
    stated = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return (parsedate_to_datetime(stated) if stated else datetime.now(UTC)).timestamp()
