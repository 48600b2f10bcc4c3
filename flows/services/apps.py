"""`python -m flows.services.apps prefect|mlflow|scoring PORT …`: a server of the home, behind the gate."""

import hmac
import json
import sys
from urllib.parse import urlencode

import uvicorn
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from flows.services.access import KEY, basic, cookie, redeem
from flows.services.gate import Admit, Gate
from flows.services.process import HOST
from tasks.tracking.markdown import escape
from warehouse.home import Home

YEAR = 365 * 24 * 3600
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def prefect_app(home: Home) -> ASGIApp:
    """Return Prefect's server, which checks the secret itself; automations get the filter `escape_markdown`."""
    from prefect.server.api.server import create_app
    from prefect.server.utilities.user_templates import register_user_template_filters

    register_user_template_filters({"escape_markdown": lambda value: escape(str(value or ""))})
    return Gate(create_app(final=True), keep_in_storage(home))


def mlflow_app(home: Home) -> ASGIApp:
    """Return MLflow's server, which has no authentication: the gate checks the secret."""
    from tasks.tracking.app import tracking_app

    return Gate(tracking_app(home), keep_in_cookie(home))


def scoring_app(folder: str, limits: str, device: str) -> ASGIApp:
    """Return the scoring server of a registered model. It requires no secret: it reads and changes nothing."""
    from tasks.tracking.scoring_app import RequestLimits, load_app

    return Gate(load_app(folder, RequestLimits(**json.loads(limits)), device))


def keep_in_storage(home: Home) -> Admit:
    """Answer a good link with a page that leaves the secret where Prefect's pages look for it.

    That is the browser's storage of this one origin, port included. A cookie is sent to every port of 127.0.0.1.
    """

    def admit(connection: HTTPConnection) -> Response | None:
        target = _let_in(home, connection)
        if target is None:
            return None
        there = json.dumps(target).replace("<", "\\u003c")
        script = f"localStorage.setItem('prefect-password', '{basic(home)}'); location.replace({there})"
        return HTMLResponse(f"<!doctype html><title>Prefect</title><script>{script}</script>", headers=PRIVATE)

    return admit


def keep_in_cookie(home: Home) -> Admit:
    """Answer a good link with a cookie; of all else, pass on what has the cookie or the secret."""
    name, value = cookie(home)
    authorization = f"Basic {basic(home)}".encode()

    def admit(connection: HTTPConnection) -> Response | None:
        target = _let_in(home, connection)
        if target is not None:
            answer = RedirectResponse(target, 303, headers=PRIVATE)
            answer.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="lax")
            return answer
        by_cookie = hmac.compare_digest(connection.cookies.get(name, "").encode(), value.encode())
        by_secret = hmac.compare_digest(connection.headers.get("authorization", "").encode(), authorization)
        if by_cookie or by_secret or connection.scope["path"] == "/health":
            return None
        return PlainTextResponse("open the link that `vocabsem up` prints; run it once more for a new link\n", 401)

    return admit


def _let_in(home: Home, connection: HTTPConnection) -> str | None:
    """Return where to go, on this server, with a link that is good; else None."""
    if connection.scope.get("method") != "GET" or not redeem(home, connection.query_params.get(KEY, "")):
        return None
    path: str = connection.scope["path"]
    rest = urlencode([(key, value) for key, value in connection.query_params.multi_items() if key != KEY])
    return "/" + path.lstrip("/") + ("?" + rest if rest else "")


if __name__ == "__main__":
    kind, port, *arguments = sys.argv[1:]
    homes = {"prefect": prefect_app, "mlflow": mlflow_app}
    application = scoring_app(*arguments) if kind == "scoring" else homes[kind](Home.find())
    uvicorn.run(application, host=HOST, port=int(port), log_level="warning")
