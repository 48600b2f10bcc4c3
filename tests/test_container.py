"""The Dockerfile and the compose file against what they build and run. No daemon is needed."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from typer.main import get_command

from flows.cli.command_line import app
from hatch_build import SHIPPED
from tests.conftest import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
LINES = re.sub(r"\\\n\s*", "", TEXT).splitlines()
UP = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["up"]
GPU = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["up-gpu"]


def values(instruction):
    return [line.removeprefix(instruction).strip() for line in LINES if line.startswith(f"{instruction} ")]


def test_all_that_the_wheel_is_built_of_is_copied_and_not_ignored():
    copied = {name for words in values("COPY") if "--from" not in words for name in words.split()[:-1]}
    assert copied >= {*SHIPPED, "vocabsem", "pyproject.toml", "hatch_build.py", "constraints.txt"}
    assert all((ROOT / name).exists() for name in copied)
    first, *kept = (ROOT / ".dockerignore").read_text().split()
    assert first == "*"
    assert {name.removeprefix("!") for name in kept if name.startswith("!")} == copied


def test_its_versions_are_those_of_the_pins():
    assert re.search(r"uv==[\d.]+", TEXT)[0] in (ROOT / "constraints.txt").read_text()
    images = {line.split()[0] for line in values("FROM")}
    assert images == {"python:3.11-slim-bookworm"}, "the environment is copied from one to the other"


def test_nothing_in_it_runs_as_root():
    assert values("USER")[-1] == "vocabsem"
    assert LINES.index("USER vocabsem") < LINES.index('ENTRYPOINT ["vocabsem"]')
    assert (UP["cap_drop"], UP["security_opt"]) == (["ALL"], ["no-new-privileges:true"])


def test_torch_is_chosen_by_an_argument_of_the_build():
    assert values("ARG") == ["TORCH=cpu"]
    assert '--torch-backend "${TORCH}"' in TEXT
    assert UP["build"]["args"] == {"TORCH": "${TORCH:-cpu}"}
    (device,) = GPU["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"], GPU["profiles"]) == ("nvidia", ["gpu"], ["gpu"])


def test_what_it_runs_is_a_command():
    command = get_command(app).commands[UP["command"][0]]
    options = {option for parameter in command.params for option in parameter.opts}
    assert set(UP["command"][1:]) <= options
    assert json.loads(values("CMD")[-1]) == ["up"]
    assert UP["network_mode"] == "host", "the servers listen on loopback only"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ("/api/health", "/health") else 404)
        self.end_headers()

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def server():
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_it_is_healthy_while_both_servers_answer(server, tmp_path):
    program, *words = json.loads(next(line for line in LINES if "HEALTHCHECK" in line).partition("CMD ")[2])
    assert program == "python"

    def healthy():
        home = os.environ | {"VOCABSEM_HOME": str(tmp_path)}
        return subprocess.run([sys.executable, *words], env=home, capture_output=True, check=False).returncode == 0

    assert not healthy(), "not started"
    record = tmp_path / "servers.json"
    record.write_text(json.dumps({"prefect": f"{server}/api", "mlflow": server}))
    assert healthy()
    record.write_text(json.dumps({"prefect": f"{server}/api", "mlflow": f"{server}/gone"}))
    assert not healthy()
