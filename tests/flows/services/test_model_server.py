"""`vocabsem serve`: a real scoring server, queried over HTTP, stopped by one Ctrl-C."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from flows.services.model_server import _curl, serve
from flows.services.process import HOST, free_port
from tasks.tracking.packaging import RegisteredClassifier, load_classifier
from tests.conftest import ROOT
from tests.flows.command import command
from tests.flows.services.test_up import gone, wait_for
from vocabsem.errors import BadInput

NAMES = ("neg", "pos", "tale")


def ask(address, body):
    request = urllib.request.Request(address, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]


def test_it_answers_as_the_classifier_does_and_one_signal_stops_it(ran):
    home, port = ran[0].home, free_port(5300)
    words = [
        sys.executable,
        "-m",
        "flows.cli.main",
        "--home",
        str(home.root),
        "serve",
        "vocabsem-made",
        "--port",
        str(port),
    ]
    bare = {name: value for name, value in os.environ.items() if name != "PATH"} | {"PATH": os.defpath}
    serving = subprocess.Popen(
        words, cwd=ROOT, env=bare, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output = [serving.stdout.readline() for _ in range(4)]
        assert "vocabsem-made/1 answers at" in output[1], serving.stderr.read()
        address = f"http://{HOST}:{port}/invocations"
        _, url, *options = shlex.split(output[3])
        assert url == address
        assert options[::2] == ["-H", "-d"]
        (answer,) = ask(url, json.loads(options[3]))
        assert sum(answer[name] for name in NAMES) == pytest.approx(1)
        assert answer["label"] == max(NAMES, key=answer.get)

        texts = [
            f"the {word} film {'was moving and good ' * n}" for n, word in enumerate(["good", "bad", "dull", "great"])
        ]
        expected = load_classifier(home, "vocabsem-made").predict(texts).to_dict("records")
        with ThreadPoolExecutor(4) as pool:  # at once: the tokenizer of a model serves one thread at a time
            result = [rows[0] for rows in pool.map(lambda text: ask(address, {"inputs": [text]}), texts * 5)]
        for row, wanted in zip(result, expected * 5, strict=True):
            assert [row[name] for name in NAMES] == pytest.approx([wanted[name] for name in NAMES], abs=1e-6)
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(address, {"inputs": ["good", " "]})
        assert refused.value.code == 400
        assert "row 1: text is ' ': give a text" in json.load(refused.value)["message"]

        busy = command(home, "serve", "vocabsem-made", "--port", str(port))
        assert busy.returncode == 2
        assert f"port {port} of {HOST} is in use" in busy.stderr
        children = psutil.Process(serving.pid).children(recursive=True)
        listening = [c for p in children for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert {connection.laddr.ip for connection in listening} == {HOST}, "nothing listens to the outside"
    finally:
        os.killpg(serving.pid, signal.SIGINT)
        out, err = serving.communicate(timeout=60)
    assert (serving.returncode, err) == (0, "")
    assert out.strip().endswith("stopping …")
    wait_for(lambda: gone(children))


def test_an_unknown_model_and_a_port_in_use_are_refused_before_anything_starts(ran):
    home = ran[0].home
    with pytest.raises(BadInput, match="there are vocabsem-made@champion"):
        serve(home, "vocabsem-mad", None)
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port = listener.getsockname()[1]
        if port <= 65000:
            with pytest.raises(BadInput, match=f"port {port} of 127.0.0.1 is in use: stop what listens there"):
                serve(home, "vocabsem-made", port)


def test_a_model_whose_files_are_gone_is_explained(ran):
    home = ran[0].home
    away = home.artifacts.rename(home.artifacts.with_name("away"))
    try:
        with pytest.raises(BadInput, match="the files of vocabsem-made/1 are gone from"):
            serve(home, "vocabsem-made", None)
    finally:
        away.rename(home.artifacts)


def test_a_model_of_pairs_is_requested_with_both_fields():
    result = RegisteredClassifier("pairs", "3", "models:/m-1", {"fields": ["first", "second"]})
    _, _, *options = shlex.split(_curl("http://127.0.0.1:5080", result))
    assert json.loads(options[3])["dataframe_records"][0].keys() == {"first", "second"}
