"""The scoring server's own part: forms of requests, limits and turns, on a model that counts letters."""

import asyncio
import csv
import json
import threading
from io import StringIO
from types import SimpleNamespace

import httpx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

from tasks.tracking.scoring_app import BATCH, WAITING, Rejected, RequestLimits, ScoringApp, parse_request

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint")  # when MLflow is imported
LIMITS = RequestLimits(texts=200, characters=50, megabytes=1, seconds=30)
JSON, CSV = "application/json", "text/csv"
SOUP = "The soup was served cold"


class Counting:
    """A model as MLflow loads it, whose answer is the length of the text."""

    def __init__(self, fields=("text",), gate=None):
        self.fields, self.gate, self.batches = list(fields), gate, []
        schema = ParamSchema([ParamSpec("truncate", "boolean", True)])
        columns = Schema([ColSpec("string", name) for name in fields])
        self.metadata = SimpleNamespace(get_params_schema=lambda: schema, get_input_schema=lambda: columns)

    def predict(self, frame, params):
        self.batches.append(len(frame))
        if self.gate:
            assert self.gate.wait(20)
        if not params.get("truncate", True):
            raise MlflowException.invalid_parameter_value(f"row {frame.index[0]} is over the limit")
        return pd.DataFrame({"label": frame[self.fields[0]], "n": frame[self.fields[0]].str.len()})


def client(model, limits=LIMITS):
    app = ScoringApp(model, limits)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://model", timeout=60)


def post(body, kind=JSON, model=None, limits=LIMITS):
    async def send():
        async with client(model or Counting(), limits) as server:
            content = json.dumps(body) if kind == JSON and not isinstance(body, bytes) else body
            return await server.post("/invocations", content=content, headers={"content-type": kind})

    return asyncio.run(send())


def csv_of(columns, rows):
    file = StringIO()
    csv.writer(file).writerows([columns, *rows])
    return file.getvalue()


def forms(texts):
    """The same texts in every form, with other columns where there can be some."""
    wide = [[f"id {n}", text, n] for n, text in enumerate(texts)]
    columns = ["id", "text", "stars"]
    records = [dict(zip(columns, row, strict=True)) for row in wide]
    by_column = {name: [record[name] for record in records] for name in columns}
    for form in ("inputs", "instances"):
        yield {form: texts}, JSON
        yield {form: {"text": texts}}, JSON
        yield {form: by_column}, JSON
        yield {form: records}, JSON
    yield {"dataframe_records": records}, JSON
    yield {"dataframe_split": {"columns": columns, "data": wide}}, JSON
    yield (
        {"dataframe_split": {"index": [7] * len(texts), "columns": columns[::-1], "data": [r[::-1] for r in wide]}},
        JSON,
    )
    yield csv_of(columns, wide), CSV


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Zs", "Cc"]), min_size=1, max_size=50), max_size=5))
def test_every_form_gives_the_same_rows_one_for_each_text(texts):
    expected = [{"text": text} for text in texts]
    for body, kind in forms(texts):
        content = (json.dumps(body) if kind == JSON else body).encode()
        if all(map(str.strip, texts)):
            assert parse_request(content, kind, ["text"], LIMITS) == (expected, {})


@pytest.mark.parametrize("wrong", [5, 1.5, True, None, float("nan"), "", " \n", ["a"], [["a", "b"]], {"text": ["a"]}])
def test_what_is_no_text_is_refused_in_every_form(wrong):
    for body, kind in forms([SOUP, wrong]):
        if kind == JSON:  # in CSV all is text
            with pytest.raises(Rejected, match=r"^row 1(: text)? (is|has)") as refused:
                parse_request(json.dumps(body).encode(), kind, ["text"], LIMITS)
            assert refused.value.status == 400


def test_cells_of_csv_are_texts():
    texts = ["05", "NA", "nan", "a, b", 'two\n"lines"', "2024-01-01"]
    rows, _ = parse_request(
        csv_of(["n", "text"], enumerate(texts)).encode(), "text/csv; charset=UTF-8", ["text"], LIMITS
    )
    assert [row["text"] for row in rows] == texts


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        ({"inputs": "a text"}, JSON, 400, "inputs is 'a text': send a list"),
        ({"inputs": 5}, JSON, 400, "inputs is 5: send a list"),
        ({"inputs": {}}, JSON, 400, "0 of the columns [] are named 'text'"),
        ({"inputs": {"text": ["a"], "id": [1, 2]}}, JSON, 400, "lists of one length"),
        ({"inputs": {"text": 5}}, JSON, 400, "lists of one length"),
        ({"inputs": {"Text": ["a"]}}, JSON, 400, "0 of the columns ['Text'] are named 'text'"),
        ({"inputs": ["a"], "instances": ["a"]}, JSON, 400, "send one of inputs"),
        ({"input": "a"}, JSON, 400, "send one of inputs"),
        ({"inputs": ["a"], "params": {"top_k": 1}}, JSON, 400, "no parameter 'top_k': the model has truncate"),
        *(
            ({"inputs": ["a"], "params": params}, JSON, 400, f"params is {params!r}")
            for params in ([1], [], 0, False, "", {"truncate": None})
        ),
        ({"inputs": ["a"], "params": {"truncate": False}}, JSON, 400, "row 0 is over the limit"),
        ({"dataframe_records": ["a"]}, JSON, 400, "row 0 is 'a': name its texts"),
        ({"dataframe_records": {"text": ["a"]}}, JSON, 400, "send a list"),
        (
            {"dataframe_records": [{"text": "a"}, {"sentence": "b"}]},
            JSON,
            400,
            "row 1 has no 'text', only ['sentence']",
        ),
        ({"dataframe_split": {"data": [["a"]]}}, JSON, 400, 'send {"columns"'),
        ({"dataframe_split": {"columns": ["text", "text"], "data": [["a", "b"]]}}, JSON, 400, "2 of the columns"),
        (
            {"dataframe_split": {"columns": ["text"], "data": [["a", "b"]]}},
            JSON,
            400,
            "row 0 is ['a', 'b']: give a value",
        ),
        ({"dataframe_split": {"columns": ["text"], "data": ["a"]}}, JSON, 400, "row 0 is 'a': give a value"),
        ([SOUP], JSON, 400, "the body is ['The soup was served cold']: send one of"),
        (b"{", JSON, 400, "the body is not JSON"),
        (b"[" * 100_000, JSON, 400, "the body is not JSON"),
        (b'{"inputs": ["\xff"]}', JSON, 400, "the body is not JSON"),
        ("id,Text\n1,a", CSV, 400, "0 of the columns ['id', 'Text'] are named 'text'"),
        ("id,text\n1", CSV, 400, "row 0 is ['1']: give a value for each of the 2 columns"),
        ("text\na\n\nb", CSV, 400, "row 1: text is ''"),
        ('text\n"a\nb', CSV, 400, "the body is not CSV"),
        ("", CSV, 400, "the body is not CSV with a header"),
        ("a", "text/plain", 415, "send application/json or text/csv"),
        ("a", "", 415, "send application/json or text/csv"),
        ("text\na", "text/csv; charset=latin-1", 415, "send UTF-8"),
        ({"inputs": ["a"] * 201}, JSON, 422, "more than 200 texts (--max-texts)"),
        ({"inputs": ["a", "b" * 51]}, JSON, 422, "row 1: text has 51 characters, at most 50 (--max-characters)"),
        (b" " * 1_000_001, JSON, 413, "1000001 bytes, at most 1 MB (--max-megabytes)"),
    ],
)
def test_a_request_that_cannot_be_answered_is_explained_shortly(body, kind, status, message):
    model = Counting()
    answer = post(body, kind, model)
    assert (answer.status_code, answer.json()["error_code"]) == (status, "BAD_REQUEST")
    assert message in answer.json()["message"]
    assert len(answer.json()["message"]) < 400
    assert model.batches == [] or "over the limit" in message


def test_a_pair_takes_both_texts_by_name():
    pair = Counting(["first", "second"])
    for body in (
        {"inputs": {"second": ["b"], "first": ["aa"]}},
        {"dataframe_records": [{"second": "b", "first": "aa", "id": 4}]},
    ):
        assert post(body, model=pair).json() == {"predictions": [{"label": "aa", "n": 2}]}
    refused = post({"inputs": ["aa"]}, model=pair)
    assert refused.json()["message"].endswith('name its texts, as in {"first": "a text", "second": "a text"}')


def test_texts_are_scored_in_small_batches_and_answered_in_order():
    model, texts = Counting(), [f"text {n}" for n in range(2 * BATCH + 5)]
    answers = post({"inputs": texts}, model=model).json()["predictions"]
    assert [answer["label"] for answer in answers] == texts
    assert model.batches == [BATCH, BATCH, 5]
    assert post({"inputs": []}).json() == {"predictions": []}


def test_a_small_request_is_answered_between_the_batches_of_a_large_one():
    async def send():
        async with client(Counting()) as server:
            done = []

            async def ask(name, texts):
                answer = await server.post("/invocations", json={"inputs": texts})
                assert len(answer.json()["predictions"]) == len(texts)
                done.append(name)

            large = [ask(f"large {n}", ["a"] * 200) for n in range(3)]
            await asyncio.gather(*large, *(ask("small", ["b"]) for _ in range(50)))
            return done

    assert asyncio.run(send())[:50] == ["small"] * 50


def test_a_request_that_takes_too_long_is_ended_and_others_are_not():
    gate = threading.Event()

    async def send():
        async with client(Counting(gate=gate), RequestLimits(200, 50, 1, seconds=1)) as server:
            slow = asyncio.create_task(server.post("/invocations", json={"inputs": ["a"] * 200}))
            queued = asyncio.create_task(server.post("/invocations", json={"inputs": ["b"]}))
            await asyncio.sleep(0.1)
            assert (await server.get("/ping")).status_code == 200
            answers = [await slow, await queued]
            gate.set()
            return [*answers, await server.post("/invocations", json={"inputs": ["c"]})]

    slow, queued, later = asyncio.run(send())
    for answer in (slow, queued):
        assert answer.status_code == 503
        assert "no answer within 1 s (--max-seconds): send fewer texts" in answer.json()["message"]
    assert later.json() == {"predictions": [{"label": "c", "n": 1}]}


def test_more_requests_than_can_wait_are_refused_at_once():
    gate = threading.Event()

    async def send():
        async with client(Counting(gate=gate)) as server:
            waiting = [asyncio.create_task(server.post("/invocations", json={"inputs": ["a"]})) for _ in range(WAITING)]
            await asyncio.sleep(0.1)
            refused = await server.post("/invocations", json={"inputs": ["a"]})
            gate.set()
            return refused, await asyncio.gather(*waiting)

    refused, answers = asyncio.run(send())
    assert (refused.status_code, refused.json()["message"]) == (503, f"{WAITING} requests are waiting: try again later")
    assert {answer.status_code for answer in answers} == {200}
