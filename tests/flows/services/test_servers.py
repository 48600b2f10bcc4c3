"""Servers as processes: started, waited for and stopped; what happens when they cannot start or do not last."""

import socket
import threading

import pytest
from filelock import FileLock, Timeout

from flows.services import process, servers
from flows.services.process import HOST, Server, ServerFailed, free_port, responds, running
from flows.services.servers import ephemeral_server, first_start, live_api
from warehouse.home import Home


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def fake(home, command, port=0):
    """A server of the standard library in place of the real ones: the same handling, started in no time."""
    return Server("the test server", home, port, "/", command, {}, "test.log")


def web(home):
    port = free_port()
    return fake(home, ["http.server", str(port), "--bind", HOST, "--directory", str(home.root.parent)], port)


def test_a_server_lives_in_its_block(home):
    server = web(home)
    with running(server):
        server.wait_until_healthy(threading.Event())
        assert responds(server.health)
        assert server.alive
    assert not responds(server.health)
    assert not server.alive


def test_an_error_in_the_block_stops_all_servers(home):
    first, second = web(home), web(home)

    def use():
        with running(first, second):
            first.wait_until_healthy(threading.Event())
            second.wait_until_healthy(threading.Event())
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        use()
    assert not first.alive
    assert not second.alive
    assert not responds(first.health)


def test_one_that_cannot_start_says_its_last_words(home):
    server = fake(home, ["no_such_module"])
    words = r"ended while starting: .*No module named no_such_module \(whole log: "
    with running(server), pytest.raises(ServerFailed, match=words):
        server.wait_until_healthy(threading.Event())


def test_of_its_last_words_the_error_is_reported(home):
    server = fake(home, ["timeit", "-s", "import atexit; atexit.register(print, 'Server stopped!')", "1 / 0"])
    with running(server), pytest.raises(ServerFailed, match="starting: ZeroDivisionError: division by zero"):
        server.wait_until_healthy(threading.Event())


def test_a_server_waits_with_its_start_while_another_makes_the_database(home, monkeypatch):
    server = web(home)
    monkeypatch.setattr(servers, "prefect_server", lambda *_: server)
    monkeypatch.setattr(servers, "START_SECONDS", 0.3)
    home.prefect.mkdir(parents=True)
    with FileLock(home.prefect / "start.lock"), pytest.raises(Timeout), ephemeral_server(home):
        pytest.fail("two at once")
    assert not server.log.exists()


def test_a_database_whose_making_was_cut_off_is_made_anew(home, monkeypatch):
    server, database = web(home), home.prefect / "prefect.db"
    monkeypatch.setattr(servers, "prefect_server", lambda *_: server)
    with first_start(server):
        database.write_text("half of it")
    with ephemeral_server(home):
        assert not database.exists()
        database.write_text("whole")
    with ephemeral_server(home):
        assert database.read_text() == "whole"


def test_one_that_does_not_answer_is_not_waited_for_for_ever(home, monkeypatch):
    monkeypatch.setattr(process, "START_SECONDS", 0.5)
    port = free_port()
    server = fake(home, ["http.server", str(free_port()), "--bind", HOST], port)
    with pytest.raises(ServerFailed, match=f"does not answer at http://{HOST}:{port}/"), running(server):
        server.wait_until_healthy(threading.Event())
    assert not server.alive


def test_a_stop_while_starting_ends_the_waiting(home):
    stopping = threading.Event()
    stopping.set()
    server = fake(home, ["http.server", str(free_port()), "--bind", HOST], free_port())
    with running(server):
        server.wait_until_healthy(stopping)


@pytest.mark.parametrize("content", ['{"prefect": "http://127.0.0.1:1/api", "mlflow": ""}', "{", "[]", ""])
def test_a_record_that_a_killed_process_left_is_no_server(home, content):
    home.root.mkdir()
    (home.root / "servers.json").write_text(content)
    assert live_api(home) is None
    assert live_api(home) is None


def test_a_home_that_is_not_there_has_no_server_and_stays_so(home):
    assert live_api(home) is None
    assert not home.root.exists()


def test_the_next_free_port_is_taken_and_none_is_an_error(monkeypatch):
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        assert taken < free_port(taken) < taken + 50
        monkeypatch.setattr(process, "range", lambda *_: [taken], raising=False)
        with pytest.raises(ServerFailed, match=f"ports {taken} to {taken + 49} of {HOST} are all in use"):
            free_port(taken)


def test_a_proxy_of_the_user_is_not_requested_this_machine(home, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server = web(home)
    with running(server):
        server.wait_until_healthy(threading.Event())
