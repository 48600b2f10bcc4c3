"""Who passes the gate before a server, and who may use it: no browser and no server here."""

import stat

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from flows.services import access, apps
from flows.services.gate import Gate
from warehouse.home import Home

OWN = "http://127.0.0.1:4200"
NAVIGATES = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


async def _socket(websocket):
    await websocket.accept()
    await websocket.send_text("in")
    await websocket.close()


async def _answer(request):
    return PlainTextResponse(f"in {request.url.path}")


ROUTES = [WebSocketRoute("/socket", _socket), Route("/{path:path}", _answer, methods=["GET", "POST", "OPTIONS"])]


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def client():
    return TestClient(Gate(Starlette(routes=ROUTES)), base_url=OWN)


@pytest.mark.parametrize("host", ["127.0.0.1:4200", "localhost:4200", "LOCALHOST:8080", "127.0.0.1"])
def test_programs_and_own_pages_pass_by_the_names_of_this_machine(client, host):
    assert client.post("/api", headers={"host": host}).text == "in /api"
    assert client.post("/api", headers={"host": host, "origin": f"http://{host}"}).text == "in /api"
    assert client.get("/", headers={"host": host, "sec-fetch-site": "same-origin"}).status_code == 200


def test_a_page_may_ask_no_other_server_and_run_no_script_of_one(client):
    policy = client.get("/docs").headers["content-security-policy"]
    allowed = {name: set(sources) for name, *sources in (each.split() for each in policy.split("; "))}
    assert allowed["connect-src"] == {"'self'"}
    assert not [source for source in allowed["default-src"] if "*" in source or source in ("http:", "https:")]


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.test",
            "evil.test:4200",
            "10.evil.test",
            "127.0.0.1.evil.test",
            "localhost.evil.test:4200",
            "0.0.0.0:4200",
        ),
        *("127.0.0.1:4200@evil.test", "127.0.0.1:4200/evil.test", "127.0.0.1:", "[::1]:4200", "", "localhost\x85"),
    ],
)
def test_a_host_that_is_not_loopback_is_refused(client, host):
    for method in ("GET", "POST", "OPTIONS"):
        answer = client.request(method, "/api", headers={"host": host.encode("latin1")})
        assert answer.status_code == 403
        assert "Host" in answer.text


def test_two_hosts_are_refused(client):
    twice = [("host", "127.0.0.1:4200"), ("host", "evil.test")]
    assert client.get("/", headers=twice).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.test", "null", "", "http://127.0.0.1", "http://127.0.0.1:9999", "http://localhost:4200"),
        *("https://127.0.0.1:4200", "http://127.0.0.1:4200.evil.test", "file://", "chrome-extension://abc"),
    ],
)
def test_another_origin_is_refused_with_its_preflight_and_its_socket(client, origin):
    for method in ("GET", "POST", "OPTIONS"):
        answer = client.request(method, "/api", headers={"origin": origin})
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/socket", headers={"origin": origin}):
        pytest.fail("it was accepted")
    assert refused.value.code == 1008


def test_two_origins_are_refused(client):
    assert client.post("/", headers=[("origin", OWN), ("origin", "http://evil.test")]).status_code == 403


def test_the_own_origin_opens_a_socket(client):
    with client.websocket_connect("/socket", headers={"origin": OWN, "host": "127.0.0.1:4200"}) as socket:
        assert socket.receive_text() == "in"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_of_other_pages_only_links_are_followed(client, site):
    """An image, a script, a frame or a form sends no Origin, or none that was looked at."""
    assert client.get("/runs", headers={"sec-fetch-site": site} | NAVIGATES).status_code == 200
    for sent in ({}, {"sec-fetch-mode": "no-cors"}, NAVIGATES | {"sec-fetch-dest": "iframe"}):
        assert client.get("/runs", headers={"sec-fetch-site": site} | sent).status_code == 403
    assert client.post("/runs", headers={"sec-fetch-site": site} | NAVIGATES).status_code == 403


def test_the_secret_is_made_once_and_read_by_its_owner_only(home):
    first = access.secret(home)
    file = access.secret_file(home)
    assert access.secret(home) == first == file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert access.secret(Home(home.root / "other")) != first
    assert len(first) > 40


def test_a_link_is_good_once_and_for_this_home(home):
    address = access.link(home, f"{OWN}/runs?a=1#there")
    start, _, ticket = address.removesuffix("#there").partition(f"&{access.KEY}=")
    assert start == f"{OWN}/runs?a=1"
    assert access.secret(home).partition(":")[2] not in address
    assert not access.redeem(Home(home.root / "other"), ticket)
    assert access.redeem(home, ticket)
    assert not access.redeem(home, ticket)


@pytest.mark.parametrize("ticket", ["", "secret", "../access/secret", "." * 32, "A" * 32, "0" * 32, "0" * 32 + "\n"])
def test_what_is_no_ticket_opens_nothing_and_removes_nothing(home, ticket):
    before = access.secret(home)
    assert not access.redeem(home, ticket)
    assert access.secret(home) == before


def test_links_that_nobody_opened_are_discarded_at_the_next_start(home):
    before = access.secret(home)
    ticket = access.link(home, OWN).rpartition("=")[2]
    access.discard_tickets(home)
    assert not access.redeem(home, ticket)
    assert access.secret(home) == before


def behind(admit):
    return TestClient(Gate(Starlette(routes=ROUTES), admit), base_url=OWN, follow_redirects=False)


def test_prefects_pages_find_the_secret_in_the_storage_of_a_browser_that_opened_a_link(home):
    prefect, ticket = behind(apps.keep_in_storage(home)), access.link(home, OWN).rpartition("=")[2]
    assert prefect.get(f"/?key={ticket}", headers={"host": "evil.test"}).status_code == 403
    assert prefect.get(f"/?key={ticket}", headers={"origin": "http://evil.test"}).status_code == 403
    page = prefect.get(f"{OWN}//evil.test/</script>?key={ticket}")
    assert f"localStorage.setItem('prefect-password', '{access.basic(home)}')" in page.text
    assert 'location.replace("/evil.test/\\u003c/script>")' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert prefect.get(f"/?key={ticket}").text == "in /"


def test_mlflow_answers_whoever_has_the_secret_and_a_browser_that_opened_a_link(home):
    mlflow = behind(apps.keep_in_cookie(home))
    assert mlflow.get("/health").status_code == 200
    for path in ("/", "/graphql", "/health/", f"{OWN}//health", "/api/2.0/mlflow/x", "/x?key=secret"):
        assert mlflow.get(path).status_code == 401
    assert mlflow.get("/", headers={"authorization": "Basic eDp5"}).status_code == 401
    with pytest.raises(WebSocketDisconnect), mlflow.websocket_connect("/socket", headers={"host": "127.0.0.1"}):
        pytest.fail("it was accepted")
    user, password = access.secret(home).split(":")
    assert mlflow.get("/x", auth=(user, password)).text == "in /x"

    ticket = access.link(home, OWN).rpartition("=")[2]
    assert mlflow.post(f"/?key={ticket}").status_code == 401, "only a page that is opened uses it up"
    page = mlflow.get(f"{OWN}//evil.test/a?b=c&key={ticket}")
    assert (page.status_code, page.headers["location"]) == (303, "/evil.test/a?b=c")
    sent = page.headers["set-cookie"]
    assert "HttpOnly" in sent
    assert "SameSite=lax" in sent
    assert password not in sent
    assert mlflow.get("/x").text == "in /x"
    assert mlflow.get(f"/x?key={ticket}").text == "in /x", "who is in may open it again"
    assert mlflow.get("/x", headers={"host": "evil.test", "cookie": sent.split(";")[0]}).status_code == 403
    mlflow.cookies.clear()
    assert mlflow.get(f"/x?key={ticket}").status_code == 401
