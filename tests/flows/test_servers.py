"""`vocabsem up`: two real servers, one Ctrl-C; and what happens when they cannot start or do not last."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import psutil
import pytest

from flows import servers
from flows.servers import HOST, Server, ServerFailed, answers, free_port, live_api, running
from tests.conftest import ROOT
from warehouse.home import Home


def wait_for(condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return found


def start(home):
    """`vocabsem up` in a process of its own session, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "--home", str(home.root), "up"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def get(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read().decode()


def gone(processes):
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def busy():
    """A listener on the port that Prefect would take, if nobody has it yet."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, servers.PREFECT_PORT))
            listener.listen()
        except OSError:
            pass
        yield servers.PREFECT_PORT


def test_up_serves_both_says_where_and_stops_both_at_one_signal(home, busy):
    running_up = start(home)
    wait_for(lambda: live_api(home) or running_up.poll() is not None)
    try:
        assert running_up.poll() is None, running_up.stderr.read()
        record = json.loads((home.root / "servers.json").read_text())
        api, mlflow = record["prefect"], record["mlflow"]
        assert live_api(home) == api
        assert f":{busy}/" not in api, "a port in use is passed over"
        assert json.loads(get(f"{api}/health")) is True
        assert json.loads(get(api.removesuffix("/api") + "/ui-settings"))["api_url"] == api, (
            "the page finds its own API"
        )
        assert "<title>MLflow</title>" in get(mlflow)
        experiments = get(f"{mlflow}/api/2.0/mlflow/experiments/search?max_results=5")
        assert [found["name"] for found in json.loads(experiments)["experiments"]] == ["Default"]

        children = psutil.Process(running_up.pid).children(recursive=True)
        assert len(children) >= 4
        listening = [c for p in children for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert {connection.laddr.ip for connection in listening} == {HOST}, "nothing listens to the outside"

        second = start(home)
        said = second.communicate(timeout=60)[1]
        assert second.returncode == 1
        assert f"run already ({api}, {mlflow})" in said
        assert "Ctrl-C" in said
        assert live_api(home) == api, "the second did not disturb the first"
    finally:
        os.killpg(running_up.pid, signal.SIGINT)
        out, err = running_up.communicate(timeout=60)
    assert running_up.returncode == 0, err
    assert err == ""
    assert re.search(rf"Prefect: .* {api.removesuffix('/api')}\nMLflow: .* {mlflow}/#/experiments", out)
    assert gone(children)
    assert not (home.root / "servers.json").exists()
    assert live_api(home) is None
    assert (home.root / "mlflow.db").exists()
    assert (home.root / "prefect" / "prefect.db").exists()
    the_second_start_is_stopped_by_the_end_of_one_server(home)


def the_second_start_is_stopped_by_the_end_of_one_server(home):
    again = start(home)
    wait_for(lambda: live_api(home) or again.poll() is not None)
    children = psutil.Process(again.pid).children(recursive=True)
    victim = next(p for p in children if p.cmdline()[1:4] == ["-m", "mlflow", "server"])
    victim.kill()
    _, err = again.communicate(timeout=60)
    assert again.returncode == 1
    assert err.startswith("error: the MLflow server ended by itself: ")
    assert err.count("\n") == 1
    assert str(home.root / "logs" / "mlflow.log") in err
    assert "`vocabsem up`" in err
    assert gone(children)
    assert not (home.root / "servers.json").exists()


def fake(home, command, port=0):
    """A server of the standard library in place of the real ones: the same handling, started in no time."""
    address = f"http://{HOST}:{port}"
    return Server("the test server", address, f"{address}/", command, dict(os.environ), home.root / "logs" / "test.log")


def web(home):
    port = free_port()
    return fake(home, ["http.server", str(port), "--bind", HOST, "--directory", str(home.root.parent)], port)


def test_a_server_lives_in_its_block(home):
    server = web(home)
    with running(server):
        server.wait_until_healthy(threading.Event())
        assert answers(server.health)
        assert server.alive
    assert not answers(server.health)
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
    assert not answers(first.health)


def test_one_that_cannot_start_says_its_last_words(home):
    server = fake(home, ["no_such_module"])
    words = r"ended while starting: .*No module named no_such_module \(whole log: "
    with running(server), pytest.raises(ServerFailed, match=words):
        server.wait_until_healthy(threading.Event())


def test_one_that_does_not_answer_is_not_waited_for_for_ever(home, monkeypatch):
    monkeypatch.setattr(servers, "START_SECONDS", 0.5)
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
        monkeypatch.setattr(servers, "range", lambda *_: [taken], raising=False)
        with pytest.raises(ServerFailed, match=f"ports {taken} to {taken + 49} of {HOST} are all in use"):
            free_port(taken)


def test_a_proxy_of_the_user_is_not_asked_for_this_machine(home, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server = web(home)
    with running(server):
        server.wait_until_healthy(threading.Event())
