"""Stores with Google's and Microsoft's interfaces, on this machine for the time of a test, behind the gate of tests.s3.

Azure's is Azurite, Microsoft's own emulator. Google has none that obeys conditions: moto's server of S3 keeps the
objects, and the gate translates headers between the two XML interfaces: generations and their conditions, metadata,
bearer tokens. So what obstore sends is read by a server, but not by Google's.
"""

import base64
import hashlib
import hmac
import http.client
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from email.utils import formatdate
from urllib.parse import unquote

import pytest

from tests.conftest import ROOT
from tests.s3 import BUCKET, Dialect, Store, gate, s3_store

AZURITE = ROOT / "build" / "azurite" / "node_modules" / ".bin" / "azurite-blob"  # where .ci/run puts it
ACCOUNT = "devstoreaccount1"
# Azurite's own, which its documentation prints
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
PLAIN = "ours"  # obstore escapes the dash of a bucket, and moto does not read it
TOKEN = "our-secret-token"
OF_S3 = "AWS4-HMAC-SHA256 Credential=ours/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class Google(Dialect):
    """Generations of objects, their conditions, metadata and tokens as Google Cloud Storage has them, before S3."""

    def __init__(self) -> None:
        self.generations: dict[str, int] = {}
        self.count = 1_700_000_000_000_000
        self.lock = threading.RLock()  # held from a write's condition to its end

    def refusal(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        given = {name.lower(): name for name in headers}
        if headers.pop(given.get("authorization", ""), "") != f"Bearer {TOKEN}":
            return (401, "AuthenticationRequired")
        headers["Authorization"] = OF_S3
        for name in [name for name in headers if name.lower().startswith("x-goog-meta-")]:
            headers[f"x-amz-meta-{name.lower().removeprefix('x-goog-meta-')}"] = headers.pop(name)
        if method in ("PUT", "DELETE", "POST"):
            self.lock.acquire()
        wanted = headers.pop(given.get("x-goog-if-generation-match", ""), None)
        if wanted is not None and int(wanted) != self.generations.get(_object(path), 0):
            self.lock.release()
            return (412, "PreconditionFailed")
        return None

    def answered(self, method: str, path: str, status: int, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        name = _object(path)
        if method in ("PUT", "DELETE", "POST"):
            if status < 300 and method == "DELETE":
                self.generations.pop(name, None)
            elif status < 300 and not re.search(r"partNumber|\?uploads", path):
                self.count += 1
                self.generations[name] = self.count
            self.lock.release()
        kept = [(re.sub("^x-amz-meta-", "x-goog-meta-", key.lower()), value) for key, value in headers]
        return [*kept, ("x-goog-generation", str(self.generations[name]))] if name in self.generations else kept


@contextmanager
def google_store() -> Iterator[tuple[Store, dict[str, str], str]]:
    """Yields a Store, its environment, and an address; the bucket is there."""
    with s3_store() as store:
        with closing(http.client.HTTPConnection(store.address.removeprefix("http://"))) as connection:
            connection.request("PUT", f"/{PLAIN}")
            assert connection.getresponse().status == 200
        store.dialect = Google()
        environment = {"GOOGLE_BASE_URL": store.address, "GOOGLE_BEARER_TOKEN": TOKEN}
        yield store, environment, f"gs://{PLAIN}"


@contextmanager
def azure_store() -> Iterator[tuple[Store, dict[str, str], str]]:
    """Yields a Store, its environment, and an address; the container is there. Skips where Azurite is not."""
    command = str(AZURITE) if AZURITE.exists() else shutil.which("azurite-blob")
    if command is None:
        pytest.skip("npm install --prefix build/azurite azurite")
    with ExitStack() as stack:
        port = _start(stack, command)
        store = stack.enter_context(gate("127.0.0.1", port))
        assert _create(port, BUCKET) == 201
        environment = {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": f"{store.address}/{ACCOUNT}",
        }
        yield store, environment, f"abfs://{BUCKET}"


def _start(stack: ExitStack, command: str) -> int:
    """Start Azurite on a free port, which is returned; it ends with the stack."""
    words = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    printed = stack.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115 - the stack closes it
    server = subprocess.Popen([command, *words, "--skipApiVersionCheck"], stdout=printed, stderr=subprocess.STDOUT)
    stack.callback(server.wait)
    stack.callback(server.terminate)
    while server.poll() is None:
        printed.seek(0)
        if match := re.search(r"successfully listen.*:(\d+)", printed.read()):
            return int(match[1])
        time.sleep(0.1)
    raise RuntimeError(f"{command} ended with {server.returncode}")


def _create(port: int, container: str) -> int:
    """Create a container by a request that is signed with the account's key."""
    headers = {"x-ms-date": formatdate(time.time(), usegmt=True), "x-ms-version": "2021-08-06"}
    signed = "PUT" + 12 * "\n" + "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    signed += f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    signature = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()).decode()
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("PUT", f"/{ACCOUNT}/{container}?restype=container", headers=headers)
        return connection.getresponse().status


def _object(path: str) -> str:
    return unquote(path.partition("?")[0])


STORES = {"gs": google_store, "abfs": azure_store}
