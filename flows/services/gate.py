"""The gate before a server on loopback: pages of other origins, and names that are not this machine's, are refused."""

import re
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?", re.IGNORECASE)
INLINE = "'self' 'unsafe-inline' 'unsafe-eval' data: blob:"  # Prefect's and MLflow's pages hold scripts and images
POLICY = f"default-src {INLINE}; connect-src 'self'; form-action 'self'; object-src 'none'"
Admit = Callable[[HTTPConnection], Response | None]


class Gate:
    """An ASGI application that forwards requests of local programs and of the server's own pages.

    admit: looks at a request that may pass and returns what to answer instead, or None.
    """

    def __init__(self, app: ASGIApp, admit: Admit = lambda _: None) -> None:
        self.app = app
        self.admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        reason = refusal(connection)
        answer = PlainTextResponse(reason + "\n", 403) if reason else self.admit(connection)
        if answer is None:
            await self.app(scope, receive, _own_requests_only(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the server answers 403
        else:
            await answer(scope, receive, send)


def _own_requests_only(send: Send) -> Send:
    """Return what sends an answer whose page may ask no other server and run no script of one.

    Prefect's newer pages ask one for statistics; those of an API's description (`/docs`) would run scripts of another.
    """

    async def with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("Content-Security-Policy", POLICY)
        await send(message)

    return with_policy


def refusal(connection: HTTPConnection) -> str | None:
    """Return why a request is refused, or None.

    Its Host must be loopback: else a page whose name an attacker points to 127.0.0.1 would be the server's own. Its
    Origin, which browsers send with all that can change something, must be that host. A browser that sends no Origin
    says in Sec-Fetch-Site who asks; from other pages only a link is followed, in a tab of its own.
    """
    hosts = connection.headers.getlist("host")
    if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):
        return "the Host of a request must be 127.0.0.1 or localhost: open the address that was printed at the start"
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in connection.headers.getlist("origin")):
        return "pages of other origins are refused"
    fetch = {word: connection.headers.get(f"sec-fetch-{word}") for word in ("site", "mode", "dest")}
    followed = connection.scope.get("method") == "GET" and (fetch["mode"], fetch["dest"]) == ("navigate", "document")
    if fetch["site"] not in (None, "same-origin", "none") and not followed:
        return "pages of other origins are refused"
    return None
