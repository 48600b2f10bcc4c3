"""A store of S3 on this machine for the time of a test: a server of moto, and before it a gate that counts and refuses.

Requests pass the gate as they are, or in another store's dialect, over real connections. Those that a test refuses it
answers itself.
"""

import http.client
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

BUCKET = "our-bucket"
ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>refused</Message></Error>'


@dataclass
class Rule:
    """What is answered in place of the store: `times` requests of this method whose address has this pattern."""

    method: str
    pattern: str
    status: int
    code: str
    times: int = 10**9

    def fits(self, method: str, address: str) -> bool:
        return self.times > 0 and method == self.method and bool(re.search(self.pattern, address))


class Dialect:
    """Another store's headers in place of those of the server behind the gate; here none."""

    def refusal(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return the status and code with which a request is refused, None after changing its headers."""

    def answered(self, method: str, path: str, status: int, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the headers of an answer."""
        return headers


@dataclass
class Store:
    """The store as a test sees it."""

    address: str
    requests: list[tuple[str, str, int, int]] = field(default_factory=list)
    """(method, path with query, bytes sent, bytes received), in order."""
    rules: list[Rule] = field(default_factory=list)
    before: list[Callable[[str, str], None]] = field(default_factory=list)
    """Functions of (method, address), called before a request is passed on."""
    dialect: Dialect = field(default_factory=Dialect)
    drop: tuple[str, ...] = ()
    """Headers that are not passed on, in lower case."""

    def refuse(self, *rule: Any, **more: Any) -> None:
        self.rules.append(Rule(*rule, **more))

    def reset(self) -> None:
        self.requests.clear()
        self.rules.clear()
        self.before.clear()

    @staticmethod
    def store(url: str, data: bytes) -> None:
        """Put an object where the server keeps them, without a request."""
        from moto.core.models import DEFAULT_ACCOUNT_ID
        from moto.s3.models import s3_backends

        name, _, key = url.removeprefix("s3://").partition("/")
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(name, key, data)

    def count(self, method: str, pattern: str = "") -> int:
        return sum(each[0] == method and bool(re.search(pattern, each[1])) for each in self.requests)


def credentials(store: Store) -> dict[str, str]:
    """The environment of a user of the store."""
    keys = {"AWS_ACCESS_KEY_ID": "our-key", "AWS_SECRET_ACCESS_KEY": "our-secret", "AWS_REGION": "us-east-1"}
    return keys | {"AWS_ENDPOINT_URL": store.address, "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def s3_store() -> Iterator[Store]:
    """Yields a Store; the bucket is there."""
    pytest.importorskip("boto3", reason="pip install 'vocabsem[s3]'")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with gate(host, port) as store:
            with closing(http.client.HTTPConnection(host, port)) as connection:
                connection.request("PUT", f"/{BUCKET}")
                assert connection.getresponse().status == 200
            yield store
    finally:
        server.stop()


@contextmanager
def gate(host: str, port: int) -> Iterator[Store]:
    class Gate(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self._body()
            for hook in list(store.before):
                hook(self.command, self.path)
            rule = next((rule for rule in store.rules if rule.fits(self.command, self.path)), None)
            sent = dict(self.headers)
            if rule:
                rule.times -= 1
            refused = (rule.status, rule.code) if rule else store.dialect.refusal(self.command, self.path, sent)
            if refused:
                status, headers = refused[0], [("Content-Type", "application/xml")]
                answer = ERROR.format(code=refused[1]).encode()
            else:
                status, headers, answer = self._ask(sent, body)
                headers = store.dialect.answered(self.command, self.path, status, headers)
            store.requests.append((self.command, self.path, len(body), len(answer)))
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Expect", "").lower() == "100-continue":
                self.send_response_only(100)
                self.end_headers()
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return body
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _ask(self, sent: dict[str, str], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            dropped = ("host", "transfer-encoding", "expect", "connection", "content-length", *store.drop)
            headers = {name: value for name, value in sent.items() if name.lower() not in dropped}
            connection = http.client.HTTPConnection(host, port, timeout=60)
            try:
                connection.request(self.command, self.path, body, headers | {"Host": self.headers["Host"]})
                answer = connection.getresponse()
                content = answer.read()
                kept = ("transfer-encoding", "connection", *(() if self.command == "HEAD" else ("content-length",)))
                return answer.status, [(n, v) for n, v in answer.getheaders() if n.lower() not in kept], content
            finally:
                connection.close()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    server.daemon_threads = True
    store = Store(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
