"""Signals at any moment of a command: one line, the exit code of the signal, no traceback, no hang."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from flows.cli.interruption import MESSAGE
from tests.conftest import ROOT
from tests.flows.command import Command
from tests.tasks.worlds import World, with_store

IMPORTING = """
import os, signal, sys
from flows.cli.main import main

module, number, start, *words = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)

class Sender:
    def find_spec(self, name, *_):
        if name == module:
            sys.meta_path.remove(sender)
            os.kill(os.getpid(), int(number))

sender = Sender()
sys.meta_path.insert(0, sender)
if start == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.argv[1:] = words
main()
"""
STUBBORN = """
import signal, sys, time
from flows.cli import interruption

def sleep(*_):
    time.sleep(100)

interruption.GRACE_SECONDS = 1
interruption.listen()
if sys.argv[1] == "another's":
    signal.signal(signal.SIGTERM, sleep)
try:
    print("ready", flush=True)
    sleep()
except KeyboardInterrupt:
    sleep()
"""


def python(script, *words):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("module", ["typer", "flows.cli.app", "flows.planning.plan"])
def test_while_modules_are_imported(tmp_path, module, number):
    process = python(IMPORTING, module, int(number), "", "--home", tmp_path / "home", "plan", "quickstart")
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out, err) == (128 + number, "", f"{MESSAGE}\n")


def test_what_the_starter_ignores_stays_ignored(tmp_path):
    process = python(IMPORTING, "typer", int(signal.SIGHUP), "nohup", "--home", tmp_path / "home", "query")
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")
    assert "anchor-gains" in out


@pytest.mark.parametrize("handler", ["ours", "another's"])
def test_what_cannot_be_stopped_ends_after_the_grace(handler):
    """A handler of another, as Prefect's in a flow, makes no difference."""
    process = python(STUBBORN, handler)
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (128 + signal.SIGTERM, f"{MESSAGE}\n")
    assert 1 <= time.monotonic() - began < 30


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_takes_its_server_along(tmp_path):
    """The server of a run without `vocabsem up` is a process of its own."""
    world = with_store(World(tmp_path, experiment={"shard_rows": 1}))
    run = Command(world.home, "run", world.card)
    while not list(world.home.lake.rglob("states/**/*.parquet")):
        assert run.process.is_alive()
        time.sleep(0.05)
    children = psutil.Process(run.process.pid).children(recursive=True)
    assert any("prefect" in child.cmdline() for child in children)
    os.kill(run.process.pid, signal.SIGTERM)
    done = run.wait()
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.endswith(f"{MESSAGE}\n")
    assert "Traceback" not in done.stderr
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
