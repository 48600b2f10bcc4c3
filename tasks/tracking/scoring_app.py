"""MLflow's scoring server of one registered model, with limits on what it answers.

It imports nothing of `vocabsem`: a registered model brings its own.
"""

import asyncio
import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel

FORMS = ("inputs", "instances", "dataframe_records", "dataframe_split")
BATCH = 32  # texts that one request scores before another has its turn
WAITING = 100  # requests that are read and answered at once
Row = dict[str, str]


@dataclass(frozen=True)
class RequestLimits:
    """What one request may hold and last."""

    texts: int
    characters: int
    """Of one text."""
    megabytes: int
    """Of the body."""
    seconds: int
    """From the first byte to the answer."""


class Rejected(Exception):
    """A request that is answered with an error."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ScoringApp:
    """MLflow's scoring server, whose invocations are checked whole and then answered in turns of a few texts."""

    def __init__(self, model: "PyFuncModel", limits: RequestLimits) -> None:
        from mlflow.pyfunc import scoring_server

        self.model, self.limits = model, limits
        self.fields: list[str] = model.metadata.get_input_schema().input_names()
        schema = model.metadata.get_params_schema()
        self.params = [param.name for param in schema.params] if schema else []
        self.server = scoring_server.init(model)  # ping, health and version
        self.turns = ThreadPoolExecutor(1)  # first come, first served: every batch of a request queues anew
        self.waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI calls an application."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/invocations":
            response = await self._respond(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self.server(scope, receive, send)

    async def _respond(self, request: Request) -> JSONResponse:
        from mlflow.exceptions import MlflowException

        self.waiting += 1
        try:
            if self.waiting > WAITING:
                raise Rejected(f"{WAITING} requests are waiting: try again later", 503)
            async with asyncio.timeout(self.limits.seconds):
                return JSONResponse({"predictions": await self._predictions(request)})
        except TimeoutError:
            seconds = self.limits.seconds
            return _error(503, f"no answer within {seconds} s (--max-seconds): send fewer texts, or try again later")
        except Rejected as error:
            return _error(error.status, str(error))
        except MlflowException as error:
            return _error(400, error.message)
        except ClientDisconnect:
            return _error(400, "the client has gone")
        finally:
            self.waiting -= 1

    async def _predictions(self, request: Request) -> list[dict[str, Any]]:
        import pandas as pd

        body = await self._body(request)
        content_type = request.headers.get("content-type", "")
        rows, params = await asyncio.to_thread(parse_request, body, content_type, self.fields, self.limits)
        if unknown := [name for name in params if name not in self.params]:
            raise Rejected(f"no parameter {unknown[0]!r:.200}: the model has {', '.join(self.params) or 'none'}")
        answers: list[dict[str, Any]] = []
        for start in range(0, len(rows), BATCH):
            if await request.is_disconnected():
                raise ClientDisconnect
            batch = rows[start : start + BATCH]
            frame = pd.DataFrame(batch, index=range(start, start + len(batch)), columns=self.fields, dtype=object)
            predict = partial(self.model.predict, frame, params=params)
            answered: Any = await asyncio.get_running_loop().run_in_executor(self.turns, predict)
            answers += answered.to_dict("records")
        return answers

    async def _body(self, request: Request) -> bytes:
        """Return the body. One that is too large is received and dropped, or the client would not read the answer."""
        chunks, size, limit = [], 0, self.limits.megabytes * 1_000_000
        async for chunk in request.stream():
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
        if size > limit:
            raise Rejected(
                f"the body has {size} bytes, at most {self.limits.megabytes} MB (--max-megabytes): send fewer texts",
                413,
            )
        return b"".join(chunks)


def parse_request(
    body: bytes, content_type: str, fields: Sequence[str], limits: RequestLimits
) -> tuple[list[Row], dict[str, Any]]:
    """Return the N rows of a request, each with the text of every field, and its params. Raises Rejected.

    Columns are taken by name, others ignored; the forms are those of MLflow's scoring server.
    """
    kind, _, option = content_type.lower().partition(";")
    if option.strip().removeprefix("charset=").strip('"') not in ("", "utf-8"):
        raise Rejected(f"content-type is {content_type!r:.200}: send UTF-8", 415)
    params: dict[str, Any] = {}
    if kind.strip() == "application/json":
        rows, params = _json_rows(body, fields, limits.texts)
    elif kind.strip() == "text/csv":
        rows = _csv_rows(body, fields, limits.texts)
    else:
        raise Rejected(f"content-type is {content_type!r:.200}: send application/json or text/csv", 415)
    if len(rows) > limits.texts:
        raise Rejected(f"more than {limits.texts} texts (--max-texts): send several requests", 422)
    return [_checked(row, number, fields, limits) for number, row in enumerate(rows)], params


def _checked(row: Any, number: int, fields: Sequence[str], limits: RequestLimits) -> Row:
    if not isinstance(row, Mapping):
        named = json.dumps(dict.fromkeys(fields, "a text"))
        raise Rejected(f"row {number} is {row!r:.200}: name its texts, as in {named}")
    for field in fields:
        if field not in row:
            raise Rejected(f"row {number} has no {field!r}, only {list(row)!r:.200}: name the text {field!r}")
        text = row[field]
        if not isinstance(text, str) or not text.strip():
            raise Rejected(f"row {number}: {field} is {text!r:.200}: give a text")
        if not _is_unicode(text):
            raise Rejected(f"row {number}: {field} is {text!r:.200}: half of a surrogate pair is no text")
        if len(text) > limits.characters:
            raise Rejected(
                f"row {number}: {field} has {len(text)} characters, at most {limits.characters} (--max-characters):"
                " cut it",
                422,
            )
    return {field: row[field] for field in fields}


def _json_rows(body: bytes, fields: Sequence[str], most: int) -> tuple[list[Any], dict[str, Any]]:
    try:
        request = json.loads(body, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the body is not JSON: {error!s:.200}") from None
    if not isinstance(request, dict):
        raise Rejected(f"the body is {request!r:.200}: send one of {', '.join(FORMS)}")
    params = request.pop("params", {})
    if params is None:
        params = {}
    if not isinstance(params, dict) or None in params.values():
        raise Rejected(f"params is {params!r:.200}: name each parameter, with its value")
    if len(request) != 1 or (form := next(iter(request))) not in FORMS:
        raise Rejected(f"the body has {list(request)!r:.200}: send one of {', '.join(FORMS)}, and params if need be")
    value = request[form]
    if form == "dataframe_split":
        if not isinstance(value, dict) or not all(isinstance(value.get(key), list) for key in ("columns", "data")):
            raise Rejected(f'{form} is {value!r:.200}: send {{"columns": […], "data": [[…], …]}}')
        return _named(value["columns"], value["data"][: most + 1], fields), params
    if isinstance(value, dict) and form != "dataframe_records":
        return _named(list(value), _rows_of(value, most), fields), params
    if not isinstance(value, list):
        raise Rejected(f"{form} is {value!r:.200}: send a list")
    if len(fields) == 1 and form != "dataframe_records":
        return [each if isinstance(each, dict) else {fields[0]: each} for each in value[: most + 1]], params
    return value, params


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise Rejected(f"two values are named {twice!r:.200}: send one")
    return content


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rows_of(columns: dict[str, Any], most: int) -> list[list[Any]]:
    """Return the rows of {column: values}, of more than `most` one more; one text stands for a list of one."""
    lists = [[values] if isinstance(values, str) else values for values in columns.values()]
    sizes = [len(values) if isinstance(values, list) else repr(values)[:200] for values in lists]
    if len(set(sizes)) > 1 or not all(isinstance(size, int) for size in sizes):
        raise Rejected(f"the columns hold {sizes!r:.200} values: send lists of one length")
    return [list(row) for row in islice(zip(*lists, strict=True), most + 1)]


def _csv_rows(body: bytes, fields: Sequence[str], most: int) -> list[Any]:
    try:
        lines = csv.reader(StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header, *rows = [line or [""] for line in islice(lines, most + 2)]
    except (ValueError, csv.Error) as error:
        raise Rejected(f"the body is not CSV with a header, in UTF-8: {error!s:.200}") from None
    return _named(header, rows, fields)


def _named(columns: list[Any], rows: list[Any], fields: Sequence[str]) -> list[dict[str, Any]]:
    for field in fields:
        if columns.count(field) != 1:
            raise Rejected(f"{columns.count(field)} of the columns {columns!r:.200} are named {field!r}: name one so")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise Rejected(f"row {number} is {row!r:.200}: give a value for each of the {len(columns)} columns")
    at = [columns.index(field) for field in fields]
    return [{field: row[index] for field, index in zip(fields, at, strict=True)} for row in rows]


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse(
        {"error_code": "BAD_REQUEST" if status < 500 else "TEMPORARILY_UNAVAILABLE", "message": message}, status
    )


def load_app(folder: str, limits: RequestLimits, device: str = "auto") -> ScoringApp:
    """Return the server of the registered model in a folder, its language model on a device."""
    from mlflow.pyfunc import load_model

    csv.field_size_limit(2**31 - 1)  # the limits are those that count
    return ScoringApp(load_model(folder, model_config=None if device == "auto" else {"device": device}), limits)
