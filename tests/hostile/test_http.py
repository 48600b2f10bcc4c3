"""Requests to `vocabsem serve` of any shape: answered in time, with an answer for each text or one short reason."""

import asyncio
import json
import socket
import threading
import time
from csv import reader
from io import StringIO

import httpx
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.services.gate import Gate
from flows.services.process import HOST, free_port
from tasks.tracking.scoring_app import BATCH, RequestLimits, ScoringApp
from tests.tasks.tracking.test_scoring_app import CSV, JSON, Counting, csv_of, forms

pytestmark = [pytest.mark.medium, pytest.mark.filterwarnings("ignore:.*Any type hint")]  # when MLflow is imported
SECONDS = 10
LIMITS = RequestLimits(texts=3 * BATCH, characters=50, megabytes=1, seconds=30)
REFUSALS = {400, 413, 415, 422}


@pytest.fixture(scope="module")
def send():
    """Sends a body with a content type to the application, which answers in time."""
    app = Gate(ScoringApp(Counting(), LIMITS))
    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}")

        def post(body, kind):
            headers, began = {} if kind is None else {"content-type": kind}, time.process_time()
            answer = runner.run(client.post("/invocations", content=body, headers=headers))
            assert time.process_time() - began < SECONDS
            return answer

        yield post
        runner.run(client.aclose())


def labels_of(answer):
    """The labels of an answer, None for one that says why there are none."""
    content = answer.json()
    if answer.status_code == 200:
        return [each["label"] for each in content["predictions"]]
    assert answer.status_code in REFUSALS, answer.text
    assert set(content) == {"error_code", "message"}
    assert "Traceback" not in content["message"]
    assert len(content["message"]) < 500
    return None


def texts_of(body, kind):
    """The texts that a body holds, by the simplest reading of each form."""
    if kind == CSV:
        header, *rows = reader(StringIO(body.decode("utf-8-sig"), newline=""))
        return [dict(zip(header, row, strict=True))["text"] for row in rows]
    request = json.loads(body)
    request.pop("params", None)
    ((form, value),) = request.items()
    if form == "dataframe_split":
        return [dict(zip(value["columns"], row, strict=True))["text"] for row in value["data"]]
    if isinstance(value, dict):
        return [value["text"]] if isinstance(value["text"], str) else value["text"]
    return [each if isinstance(each, str) else each["text"] for each in value]


KEYS = st.sampled_from(
    ["text", "Text", "id", "inputs", "instances", "dataframe_split", "columns", "data", "params", ""]
)
SCALARS = st.one_of(
    st.sampled_from(["a film", "", " ", "\0", "\ud800", "\u200b", "é", "=1+1", "a" * 51, 0, -1, 1.5, 10**400, 1e308]),
    st.sampled_from([True, False, None, float("nan"), float("inf")]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
REQUESTS = st.dictionaries(
    st.sampled_from(["inputs", "instances", "dataframe_records", "dataframe_split", "x"]), VALUES
)
PARAMS = st.none() | st.dictionaries(st.sampled_from(["truncate", "x"]), SCALARS, max_size=2) | SCALARS
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), max_size=5)
KINDS = st.sampled_from([JSON, CSV, f"{JSON}; charset=utf-8", f"{CSV};charset=latin-1", "text/plain", "", "*/*", None])
MANY = settings(max_examples=3 * settings().max_examples)


@MANY
@given(REQUESTS, PARAMS)
def test_any_request_is_answered_whole_or_refused(send, request, params):
    body = json.dumps(request | ({} if params is None else {"params": params})).encode()
    labels = labels_of(send(body, JSON))
    assert labels is None or labels == texts_of(body, JSON)


@MANY
@given(TEXTS, st.data())
def test_a_mutated_request_is_answered_whole_or_refused(send, texts, data):
    request, kind = data.draw(st.sampled_from(list(forms(texts))))
    body = bytearray((request if kind == CSV else json.dumps(request)).encode())
    for _ in range(data.draw(st.integers(0, 3))):
        at, end = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        body[at : min(end, at + 8)] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b",", b"{", b"]", b"\n"])
        )
    labels = labels_of(send(bytes(body), kind))
    assert labels is None or labels == texts_of(bytes(body), kind)


@settings(max_examples=2 * settings().max_examples)
@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: text.encode(errors="replace")), KINDS)
def test_no_bytes_are_a_crash(send, body, kind):
    labels_of(send(body, kind))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[" * 1_000_000, JSON),
        (b'{"inputs": ' * 80_000, JSON),
        (b'{"inputs": [' + b"9" * 900_000 + b"]}", JSON),
        (b'{"inputs": ["' + b"\\u0000" * 150_000 + b'"]}', JSON),
        (json.dumps({"inputs": [""] * 200_000}).encode(), JSON),
        (json.dumps({"inputs": {f"column {n}": ["a"] for n in range(50_000)}}).encode(), JSON),
        (json.dumps({"dataframe_split": {"columns": ["text"] * 100_000, "data": [[]]}}).encode(), JSON),
        (b"text\n" + b"\n" * 900_000, CSV),
        (b'text\n"' + b'""' * 450_000, CSV),
        (csv_of([f"c{n}" for n in range(100_000)], []).encode(), CSV),
        ("text\n\ufeff".encode("utf-16"), CSV),
        (b'{"inputs": ["a"], "inputs": ["b", "c"]}', JSON),
        (b'{"dataframe_records": [{"text": "a", "text": "b"}]}', JSON),
        (("{" + ",".join(f'"{n}": 1' for n in range(80_000)) + ', "0": 1}').encode(), JSON),
    ],
)
def test_a_request_made_to_last_or_to_be_misread_is_refused(send, body, kind):
    assert labels_of(send(body, kind)) is None


@pytest.mark.parametrize("texts", [["a"] * (3 * BATCH), ["a" * 50], [f"text {n}" for n in range(BATCH + 1)], []])
def test_a_request_at_its_limits_is_answered(send, texts):
    for body, kind in forms(texts):
        content = (json.dumps(body) if kind == JSON else body).encode()
        assert labels_of(send(content, kind)) == texts


# A real server


@pytest.fixture(scope="module")
def port():
    """The port of the application in a real server."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(Gate(ScoringApp(Counting(), LIMITS)), HOST, port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join(SECONDS)
    assert not thread.is_alive()


BODY = b'{"inputs": ["a film"]}'
HEAD = b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
RAW = {
    "whole": (WHOLE, b"200"),
    "chunked": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), b"200"),
    "no length": (HEAD + b"\r\n", b"400"),
    "a length that is none": (HEAD + b"Content-Length: x\r\n\r\n", b"400"),
    "a negative length": (HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
    "two lengths": (HEAD + b"Content-Length: 22\r\nContent-Length: 5\r\n\r\n" + BODY, b"400"),
    "a chunk that is none": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    "no request": (b"\0\xff\r\n\r\n", b"400"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    "an endless header": (HEAD + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n", b"400"),
    "another path": (WHOLE.replace(b"/invocations", b"/%2e%2e/etc/passwd"), b"404"),
    "another method": (WHOLE.replace(b"POST", b"PUT"), b"405"),
    "another host": (WHOLE.replace(b"127.0.0.1", b"evil.test"), b"403"),
}


def exchange(port, data):
    """What the server answers to bytes, until it closes."""
    with socket.create_connection((HOST, port), timeout=SECONDS) as connection:
        answer = b""
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                answer += chunk
        except (BrokenPipeError, ConnectionResetError):  # it has answered before all was sent
            pass
    return answer


@pytest.mark.parametrize(("data", "status"), RAW.values(), ids=RAW)
def test_bytes_of_any_form_are_answered(port, data, status):
    assert exchange(port, data).startswith(b"HTTP/1.1 " + status)


def test_clients_that_send_half_or_nothing_silence_nobody(port):
    silent = [socket.create_connection((HOST, port)) for _ in range(50)]
    for number, connection in enumerate(silent):
        connection.sendall(WHOLE[: number * len(WHOLE) // 50])
    try:
        began = time.monotonic()
        assert exchange(port, WHOLE).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - began < SECONDS
    finally:
        for connection in silent:
            connection.close()
    assert exchange(port, WHOLE).startswith(b"HTTP/1.1 200")
