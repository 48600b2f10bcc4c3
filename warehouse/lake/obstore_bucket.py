"""Buckets of Google Cloud Storage and containers of Azure Blob Storage, by obstore.

Credentials and endpoints are those of the variables that it reads, Google's and Azure's usual ones. Its errors quote
whole addresses, which may hold a signature: of them only the store's code is shown.
"""

import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import AzureStore, GCSStore

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

_CODE = re.compile(r"<Code>(\w+)</Code>|\"code\": *\"(\w+)\"")
_STATUS = re.compile(r"non-2xx status code: (\d+)")
_KEYS = {
    "gs": "give those of the bucket by GOOGLE_APPLICATION_CREDENTIALS, the path of a key or of what gcloud wrote",
    "abfs": "give those of the container by AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or another of"
    " Azure's variables",
}
_ADDRESSES = {"gs": "GOOGLE_BASE_URL", "abfs": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ENDPOINT"}
_WRONG = {"AuthenticationFailed", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationRequired", "401"}
SHORTER = {"InvalidRange", "416"}
_FAULTS = {
    **dict.fromkeys(("NoSuchBucket", "ContainerNotFound", "404"), NO_BUCKET),
    **dict.fromkeys(("AccessDenied", "AuthorizationPermissionMismatch", "AuthorizationFailure", "403"), DENIED),
    **dict.fromkeys(("ExpiredToken", "TokenExpired", "InvalidAuthenticationInfo"), EXPIRED),
    "RequestTimeTooSkewed": SKEWED,
    **dict.fromkeys(("SlowDown", "ServerBusy", "ServiceUnavailable", "InternalError", "429", "500", "503"), LATER),
}


class ObstoreBucket:
    """The objects below `gs://bucket/prefix` or `abfs://container/prefix`, as a Bucket.

    Uploads that never ended are listed by neither: Azure removes them after a week, Google by a rule of the bucket.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._scheme, _, path = url.partition("://")
        self._name, _, self._prefix = path.partition("/")
        with self._translated("list"):
            next(iter(obstore.list(self._open(attempts=2), chunk_size=1)), None)
            self._store = self._open(ATTEMPTS)

    def get(self, key: str) -> Content | None:
        with suppress(FileNotFoundError), self._translated("get", FileNotFoundError):
            answer = obstore.get(self._store, key)
            age = self.now() - answer.meta["last_modified"].timestamp()
            return Content(bytes(answer.bytes()), self._tag(answer.meta), age)
        return None

    def metadata(self, key: str) -> Mapping[str, str] | None:
        with suppress(FileNotFoundError), self._translated("head", FileNotFoundError):
            beside = obstore.get(self._store, key, options={"head": True}).attributes
            return {name: value for name, value in beside.items() if name != "Content-Type"}
        return None

    def now(self) -> float:
        return self._began + time.monotonic()

    def etag(self, key: str) -> str | None:
        with suppress(FileNotFoundError), self._translated("head", FileNotFoundError):
            return self._tag(obstore.head(self._store, key))
        return None

    def blocks(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        options: Any = {"range": {"offset": start} if stop is None else (start, stop)}
        try:
            answer = obstore.get(self._store, key, options=options if start or stop is not None else None)
            yield from map(bytes, answer.stream(min_chunk_size=bucket.BLOCK))
        except (FileNotFoundError, PreconditionError):
            raise FileNotFoundError(key) from None
        except BaseError as error:
            if _code(error) in SHORTER:
                raise FileNotFoundError(key) from None
            with self._translated("get"):
                raise

    def list(self, prefix: str) -> Iterator[Stored]:
        with self._translated("list"):
            for page in obstore.list(self._store, prefix or None):
                for each in page:
                    etag = (each["e_tag"] or "").strip('"')
                    yield Stored(each["path"], each["size"], f'"{etag}"', each["last_modified"].timestamp())

    def put(self, key: str, data: bytes, *, absent: bool = False, replacing: str | None = None) -> str | None:
        mode: Any = "create" if absent else "overwrite"
        fails: list[type[Exception]] = [AlreadyExistsError, PreconditionError]
        if replacing:
            mode = {"version" if self._scheme == "gs" else "e_tag": replacing}
            fails.append(FileNotFoundError)
        with suppress(*fails), self._translated("put", *fails):
            return self._tag(obstore.put(self._store, key, data, mode=mode, use_multipart=False))
        return None

    def upload(self, key: str, path: Path, metadata: Mapping[str, str]) -> None:
        size = path.stat().st_size
        block = max(bucket.BLOCK, -(-size // MOST_BLOCKS))
        with self._translated("put"):
            obstore.put(
                self._store,
                key,
                path,
                attributes=dict(metadata),
                use_multipart=size > block,
                chunk_size=block,
                max_concurrency=1,
            )

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with suppress(FileNotFoundError), self._translated("delete", FileNotFoundError):
                obstore.delete(self._store, key)

    def abort_uploads(self, prefix: str, before: float, busy: Callable[[str], bool]) -> Sequence[str]:
        return []

    def _open(self, attempts: int) -> Any:
        options: dict[str, Any] = {
            "prefix": self._prefix or None,
            "client_options": {
                "connect_timeout": timedelta(seconds=ANSWER_SECONDS),
                "timeout": timedelta(seconds=SLOW_SECONDS if attempts > 2 else ANSWER_SECONDS),
                "allow_http": self._endpoint.startswith("http:"),
            },
            "retry_config": {"max_retries": attempts - 1},
        }
        return (GCSStore if self._scheme == "gs" else AzureStore)(self._name, **options)

    @property
    def _endpoint(self) -> str:
        if self._scheme == "gs":
            return os.environ.get("GOOGLE_BASE_URL") or "https://storage.googleapis.com"
        given = os.environ.get("AZURE_STORAGE_ENDPOINT") or os.environ.get("AZURE_ENDPOINT")
        return given or f"https://{os.environ.get('AZURE_STORAGE_ACCOUNT_NAME', '')}.blob.core.windows.net"

    @cached_property
    def _began(self) -> float:
        """The store's time when this process's monotonic clock was 0, by an answer that needs no credentials."""
        request = urllib.request.Request(self._endpoint, method="HEAD")  # noqa: S310 - the user's own variable
        try:
            with urllib.request.urlopen(request, timeout=SLOW_SECONDS) as answer:  # noqa: S310
                stated = answer.headers["Date"]
        except HTTPError as error:  # what it answers does not matter
            stated = error.headers["Date"]
        except (OSError, HTTPException) as error:
            raise self._unanswered(type(error).__name__) from None
        return (parsedate_to_datetime(stated).timestamp() if stated else time.time()) - time.monotonic()

    def _tag(self, state: Any) -> str:
        """Return what a write on a condition takes: Google's generation, or Azure's ETag."""
        return str(state["version" if self._scheme == "gs" else "e_tag"])

    @contextmanager
    def _translated(self, request: str, *expected: type[Exception]) -> Iterator[None]:
        """Turn obstore's errors into StoreUnavailable, but for those expected: what is wrong, and the fix."""
        try:
            yield
        except expected:
            raise
        except FileNotFoundError:
            raise unusable(self.url, NO_BUCKET[0], request, NO_BUCKET[1]) from None
        except BaseError as error:
            text, code, ours = str(error), _code(error), _KEYS[self._scheme]
            if "token request" in text or (not code and "HTTP error" not in text):
                raise unusable(self.url, "no credentials could be read or obtained", request, ours) from None
            if not code:
                raise self._unanswered(request) from None
            other = "credentials are wrong" if code in _WRONG else f"it answers {code}"
            fault, fix = _FAULTS.get(code, (other, ours))
            raise unusable(self.url, fault, request, fix) from None

    def _unanswered(self, reason: str) -> Exception:
        fix = f"look at the network, and at {_ADDRESSES[self._scheme]}"
        return unusable(self.url, "its store does not answer", reason, fix)


def _code(error: BaseError) -> str:
    """Return the store's code of an error, or its status; empty where it did not answer."""
    text = str(error)
    named, status = _CODE.search(text), _STATUS.search(text)
    return (named and (named[1] or named[2])) or (status[1] if status else "")
