"""`vocabsem serve`: a real scoring server of a user's own method, queried over HTTP, stopped by one Ctrl-C."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import psutil
import pytest

from flows.services.model_server import EXAMPLE, _curl, serve
from flows.services.process import HOST, free_port
from tasks.log_run import _register
from tasks.models.extensions import keep_method
from tasks.tracking.active_run import open_run
from tasks.tracking.packaging import load_classifier
from tasks.tracking.registered import RegisteredClassifier
from tasks.tracking.scoring_app import RequestLimits
from tests.conftest import ROOT
from tests.flows.command import command
from tests.flows.services.test_up import gone, wait_for
from tests.tasks.tracking.test_scoring_app import forms
from tests.tasks.worlds import World, compute, with_store
from tests.vocabsem.method_data import PROBE
from vocabsem.errors import BadInput
from warehouse.catalog import catalog
from warehouse.home import Home

pytestmark = pytest.mark.medium

NAMES = ("neg", "pos", "tale")


LIMITS = RequestLimits(texts=1000, characters=100_000, megabytes=16, seconds=60)
TEXTS = [f"the {word} film {'was moving and good ' * n}" for n, word in enumerate(["good", "bad", "dull", "great"])]


def ask(address, body, kind="application/json"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, content, {"content-type": kind})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home whose champion is of a method in a file that was beside the card and is gone."""
    folder = tmp_path_factory.mktemp("own method")
    (folder / "my_probe.py").write_text(PROBE)
    methods = [{"method": "my_probe:MyProbe"}]
    world = with_store(World(folder, experiment={"methods": methods, "shots": [4], "seeds": [0]}))
    plan = world.plan()
    (fit,) = plan.fits
    keep_method(plan.home, plan.experiment.methods[0].method)
    compute(plan)
    run = open_run(plan.home, {"name": "tiny", "description": ""}, {})
    assert _register(plan.home, run, plan.experiment.shard_rows, fit).alias == "champion"
    (folder / "my_probe.py").unlink()
    return world.home


@pytest.fixture(scope="module")
def served(home):
    """Process and address of one server for all requests."""
    port = free_port(5300)
    words = [sys.executable, "-m", "flows.cli.main", "--home", str(home.root), "serve", "vocabsem-made"]
    words += ["--port", str(port), "--device", "offload:0MB"]
    words += ["--max-texts", "300", "--max-characters", "3000", "--max-megabytes", "1"]
    bare = {name: value for name, value in os.environ.items() if name != "PATH"} | {"PATH": os.defpath}
    serving = subprocess.Popen(
        words, cwd=ROOT, env=bare, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        printed = [serving.stdout.readline() for _ in range(4)]
        assert "vocabsem-made/1 answers at" in printed[1], serving.stderr.read()
        yield serving, f"http://{HOST}:{port}/invocations", printed[3]
    finally:
        if serving.poll() is None:
            os.killpg(serving.pid, signal.SIGINT)
            serving.communicate(timeout=60)


@pytest.mark.parametrize("header", [{"Host": "evil.test"}, {"Origin": "http://evil.test"}])
def test_pages_of_other_origins_are_refused(served, header):
    _, address, _ = served
    request = urllib.request.Request(address, b'{"inputs": ["a film"]}', {"content-type": "application/json"} | header)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    refused.value.close()
    assert refused.value.code == 403


def test_the_printed_request_is_answered(served):
    _, address, printed = served
    _, url, *options = shlex.split(printed)
    assert url == address
    assert options[::2] == ["-H", "-d"]
    (answer,) = ask(url, json.loads(options[3]))
    assert sum(answer[name] for name in NAMES) == pytest.approx(1)
    assert answer["label"] == max(NAMES, key=answer.get)


def test_every_form_is_answered_as_the_classifier_does(home, served):
    expected = load_classifier(home, "vocabsem-made").predict(pd.DataFrame({"text": TEXTS})).to_dict("records")
    for body, kind in forms(TEXTS):
        answers = ask(served[1], body.encode() if kind == "text/csv" else body, kind)
        assert [answer["label"] for answer in answers] == [row["label"] for row in expected]
        for answer, row in zip(answers, expected, strict=True):
            assert [answer[name] for name in NAMES] == pytest.approx([row[name] for name in NAMES], abs=1e-6)
    done = command(home, "predict", "--model", "vocabsem-made", "--json", *TEXTS)
    assert [row["label"] for row in json.loads(done.stdout)] == [row["label"] for row in expected], done.stderr


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"inputs": ["good", " "]}, 400, "row 1: text is ' ': give a text"),
        ({"inputs": ["good", 5]}, 400, "row 1: text is 5: give a text"),
        ({"inputs": ["good", "bad \ud83d"]}, 400, "row 1: text is"),
        ({"inputs": ["good", "bad " * 600], "params": {"truncate": False}}, 400, "row 1 is over"),
        ({"inputs": ["good"], "params": {"truncate": 3}}, 400, "Invalid parameters"),
        ({"inputs": ["good"] * 301}, 422, "more than 300 texts (--max-texts)"),
        ({"inputs": ["good " * 1000]}, 422, "at most 3000 (--max-characters)"),
        ({"inputs": ["good " * 1_000_000]}, 413, "at most 1 MB (--max-megabytes)"),
    ],
)
def test_what_cannot_be_answered_is_explained(served, body, status, message):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(served[1], body)
    assert refused.value.code == status
    assert message in json.load(refused.value)["message"]


def test_fifty_clients_are_served_beside_large_requests(served):
    serving, address, _ = served
    ping = address.replace("invocations", "ping")
    process = psutil.Process(serving.pid).children(recursive=True)[-1]  # below its supervisor
    before = process.memory_info().rss
    with ThreadPoolExecutor(60) as pool:
        large = [pool.submit(ask, address, {"inputs": ["the plot was good " * 150] * 300}) for _ in range(3)]
        small = [pool.submit(ask, address, {"inputs": [text]}) for text in TEXTS * 13]
        while not all(future.done() for future in large + small):
            with urllib.request.urlopen(ping, timeout=10) as response:
                assert response.status == 200
            time.sleep(0.2)
    assert [len(future.result()) for future in small] == [1] * 52
    assert [len(future.result()) for future in large] == [300] * 3
    assert process.memory_info().rss - before < 500e6


def test_one_signal_stops_it_and_nothing_listens_to_the_outside(home, served):
    serving, address, _ = served
    port = int(address.split(":")[2].split("/")[0])
    busy = command(home, "serve", "vocabsem-made", "--port", str(port))
    assert busy.returncode == 2
    assert f"port {port} of {HOST} is in use" in busy.stderr
    children = psutil.Process(serving.pid).children(recursive=True)
    listening = [c for p in children for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert {connection.laddr.ip for connection in listening} == {HOST}
    os.killpg(serving.pid, signal.SIGINT)
    out, err = serving.communicate(timeout=60)
    assert (serving.returncode, err) == (0, "")
    assert out.strip().endswith("stopping …")
    wait_for(lambda: gone(children))


def test_an_unknown_model_and_a_port_in_use_are_refused_before_anything_starts(home):
    with pytest.raises(BadInput, match="there are vocabsem-made@champion"):
        serve(home, "vocabsem-mad", None, LIMITS)
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port = listener.getsockname()[1]
        if port <= 65000:
            with pytest.raises(BadInput, match=f"port {port} of 127.0.0.1 is in use: stop what listens there"):
                serve(home, "vocabsem-made", port, LIMITS)


def test_a_model_whose_files_are_gone_is_explained(home):
    away = home.artifacts.rename(home.artifacts.with_name("away"))
    try:
        with pytest.raises(BadInput, match="the files of vocabsem-made/1 are gone from"):
            serve(home, "vocabsem-made", None, LIMITS)
    finally:
        away.rename(home.artifacts)


def request(home, dataset, fields):
    """The body of the request that is offered for a model of a data set."""
    config = {"dataset": dataset, "fields": fields}
    result = RegisteredClassifier("name", "3", "models:/m-1", config, Path(), Path())
    _, _, *options = shlex.split(_curl(home, "http://127.0.0.1:5080", result))
    return json.loads(options[3])


def test_a_model_of_pairs_is_requested_with_both_fields(tmp_path):
    body = request(Home(tmp_path), "pairs", ["first", "second"])
    assert body["dataframe_records"][0].keys() == {"first", "second"}


def test_a_request_has_a_text_of_the_data_set(world):
    assert request(world.home, "made", ["text"]) == {"inputs": [EXAMPLE]}, "nothing is stored yet"
    plan = world.plan()
    compute(plan, ("examples",))
    catalog.rebuild(world.home)
    (text,) = request(world.home, "made", ["text"])["inputs"]
    assert {"text": text} in [
        dict(f) for f in plan.pairs[0].examples.partition(plan.lake).table()["fields"].to_pylist()
    ]


def test_a_device_that_is_not_there_or_that_the_stored_code_does_not_take_is_refused(home, monkeypatch):
    with pytest.raises(BadInput, match="offload:8GB"):
        serve(home, "vocabsem-made", None, LIMITS, "offload:8")
    monkeypatch.setattr(RegisteredClassifier, "takes_device", False)
    with pytest.raises(BadInput, match=r"device 'offload': vocabsem-made/1 was registered by a version of vocabsem"):
        serve(home, "vocabsem-made", None, LIMITS, "offload")
